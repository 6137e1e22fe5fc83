"""A notebook without outputs, made from its source: header, cells of one edition, closing, metadata."""

import hashlib
import re
from pathlib import Path

from mgmr_lib.course.authoring import pages
from mgmr_lib.course.authoring.source import BET, LEARNER, Source, edition_code
from mgmr_lib.paths import REPOSITORY

WHAT_A_BET_SAYS = {"predict": "Your bet {id}", "outcome": "The outcome of {id}"}  # of its hidden cell


def skeleton(source: Source, edition: str, sources: dict[str, Source], root: Path = REPOSITORY):
    """The notebook without outputs."""
    import nbformat

    glossary, bibliography = pages.load_yaml("glossary.yml", root), pages.load_yaml("bibliography.yml", root)
    meta, where = source.meta, f"notebooks/src/{source.path.name}"
    opening, end = pages.header(meta, sources), pages.closing(meta, sources, glossary)
    cells = [("markdown", opening, (), {}, "header")]
    cells += [(c.kind, c.source, c.tags, dict(c.extra), None) for c in source.cells]
    cells += [("markdown", end, (), {}, "closing")]
    notebook, seen = nbformat.v4.new_notebook(), {}
    for kind, text, tags, extra, cell_id in cells:
        base = cell_id or hashlib.sha256(text.encode()).hexdigest()[:10]
        seen[base] = seen.get(base, 0) + 1
        made = (
            code_cell(text, tags, extra, edition, where)
            if kind == "code"
            else nbformat.v4.new_markdown_cell(
                pages.expand(text, edition, sources, bibliography, where), metadata=extra
            )
        )
        made.id = base if seen[base] == 1 else f"{base}-{seen[base]}"
        notebook.cells.append(made)
    notebook.metadata.update(
        kernelspec={"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
        language_info={"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        mgmr={
            "number": meta.number,
            "edition": edition,
            "title": meta.title,
            "minutes": meta.minutes,
            "budget_s": meta.budget_s,
            "device": meta.device,
            "requires": list(meta.requires),
            "introduces": list(meta.introduces),
            "source": source.digest,
        },
    )
    return notebook


def code_cell(text: str, tags: tuple[str, ...], extra: dict, edition: str, where: str):
    """A code cell of one edition, without its id and outputs."""
    import nbformat

    code = edition_code(text, edition, where)
    if edition == LEARNER and re.search(r"^@exercise\(", code, re.MULTILINE):
        tags += ("raises-exception",)  # an answer that Python cannot run must not end "Run All"
    if bet := BET.search(code):  # its code would give the answer away: only the first line is shown
        code = f"# {WHAT_A_BET_SAYS[bet[1]].format(id=bet[2])}: run this cell (Shift+Enter)\n{code}"
        extra = extra | {"jupyter": {"source_hidden": True}}
    return nbformat.v4.new_code_cell(code, metadata=extra | ({"tags": list(tags)} if tags else {}))
