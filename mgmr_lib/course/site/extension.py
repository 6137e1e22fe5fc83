"""What Sphinx lacks for pages that ask no other host: formulas as MathML, which browsers set themselves."""

import html


def mathml(source: str, display: str) -> str:
    """MathML of LaTeX; display: "inline" or "block"."""
    from latex2mathml.converter import convert

    return convert(source, display=display)


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
        f'<div class="course-math" tabindex="0" role="group" aria-label="Formula: {said}">'
        f"{mathml(node.astext(), 'block')}</div>\n"
    )
    raise nodes.SkipNode


def setup(app) -> dict:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
