"""Markdown, formulas and code as HTML. Links lead out of a slide, so that only their words are kept."""

import functools
import html

from mgmr_lib.course.site.extension import mathml

TOOLS = ("markdown_it", "mdit_py_plugins", "pygments", "latex2mathml")


@functools.cache
def parser():
    """The Markdown that notebooks use: tables, and formulas between dollars."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.use(dollarmath_plugin, renderer=lambda s, how: mathml(s, "block" if how["display_mode"] else "inline"))
    for name in ("link_open", "link_close"):
        made.add_render_rule(name, lambda *_: "")
    made.add_render_rule("image", lambda *_: "")
    return made


def inline(markdown: str) -> str:
    """HTML of a line."""
    return parser().renderInline(markdown).strip()


def blocks(markdown: str) -> str:
    """HTML of paragraphs, lists and tables."""
    return parser().render(markdown)


def formula(latex: str) -> str:
    """A formula on a line of its own."""
    return f'<div class="formula">{mathml(latex, "block")}</div>'


def code(source: str) -> str:
    """Python in colours."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(noclasses=True, style="friendly", cssclass="python"))


def printed(text: str) -> str:
    """What a cell printed."""
    return f'<pre class="printed">{html.escape(text.rstrip())}</pre>'


def page(title: str, style: str, body: str, script: str = "") -> str:
    """A whole page with all that it needs inside."""
    ending = f"<script>\n{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n{ending}</body>\n</html>\n"
    )
