"""What Sphinx and the theme lack: formulas as MathML, which browsers set themselves, and names for screen readers."""

import html
import re

ARROW = re.compile(  # what latex2mathml makes of \\xrightarrow: relative sizes, which browsers no longer read
    r'<mstyle scriptlevel="0"><mo>(&#x2192;)</mo></mstyle><mpadded [^>]*>(.*?)<mspace depth="\.25em" /></mpadded>'
)
SPACE = '<mspace width="0.4em" />'


def mathml(source: str, display: str) -> str:
    """MathML of LaTeX; display: "inline" or "block"."""
    from latex2mathml.converter import convert

    return ARROW.sub(rf'<mo stretchy="true">\1</mo><mrow>{SPACE}\2{SPACE}</mrow>', convert(source, display=display))


def visit_math(translator, node) -> None:
    """A formula in a line."""
    from docutils import nodes

    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_displaymath(translator, node) -> None:
    """A formula on a line of its own; a wide one can be scrolled, with the keyboard too."""
    from docutils import nodes

    said = html.escape(" ".join(node.astext().split()))
    translator.body.append(
        f'<div class="course-math" role="group" aria-label="Formula: {said}">{mathml(node.astext(), "block")}</div>\n'
    )
    raise nodes.SkipNode


REPAIRS = (  # (part of a page, what the theme or myst-nb writes, what a screen reader can read)
    ("furo_navigation_tree", 'class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"'),
    ("body", '<summary aria-label="Toggle hidden content">', "<summary>"),
    ("body", '<th class="head"><p></p></th>', "<td></td>"),
)


def repair(app, page, template, context, doctree) -> None:
    """Correct what was made of a page, just before it is written."""
    for part, was, becomes in REPAIRS:
        if context.get(part):
            context[part] = context[part].replace(was, becomes)


def setup(app) -> dict:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.connect("html-page-context", repair, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
