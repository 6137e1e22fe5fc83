"""Where a link of the repository leads on the site: a page, a file of the repository on the web, or nowhere."""

import posixpath
import re
from dataclasses import dataclass

LINK = re.compile(  # or code, whose brackets are no link; what comes first in the text wins
    r"(?P<code>```.*?```|`[^`\n]*`)"
    r"|(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL,
)
ENTRIES = {"glossary.md": "term", "bibliography.md": "ref"}  # pages whose entries are targets with an explanation


@dataclass(frozen=True)
class Links:
    """pages: file of the repository -> document of the site; explained: "term-state" -> what a hover says;
    repository: its address on the web, or None."""

    pages: dict[str, str]
    explained: dict[str, str]
    repository: str | None = None

    def rewrite(self, text: str, folder: str) -> str:
        """Markdown of a file in `folder` ("" or "notebooks"), with its links as the site has them."""
        return LINK.sub(lambda m: m["code"] or self._link(m, folder), text)

    def _link(self, m: re.Match, folder: str) -> str:
        target, hash_, anchor = m["target"].partition("#")
        text = self.rewrite(m["text"], folder)
        if "://" in target or not target:
            return f"{m['image']}[{text}]({m['target']})"
        path = posixpath.normpath(posixpath.join(folder, target))
        kind = ENTRIES.get(posixpath.basename(path))
        if kind and anchor and path in self.pages:
            name = f"{kind}-{anchor}"
            says = f' "{self.explained[name]}"' if name in self.explained else ""
            return f"[{text}](#{name}{says})"  # where there is no such entry, Sphinx says so
        if m["image"] or path in self.pages:
            return f"{m['image']}[{text}]({self.pages.get(path, path)}{hash_}{anchor})"
        return f"[{text}]({self.repository}/blob/main/{path}{hash_}{anchor})" if self.repository else text


def as_hover(markdown: str) -> str:
    """Plain text of some Markdown, to stand in a link's title."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    plain = re.sub(r"\\(?:mathrm|bar|hat|tilde|text|operatorname)\b", "", plain)
    plain = re.sub(r"\\([a-zA-Z]+)", r"\1", plain)
    return " ".join(re.sub(r"[$`*{}\\]", "", plain).replace('"', "'").replace("<", "&lt;").split())
