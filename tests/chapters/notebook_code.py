"""The functions that a notebook's source defines, in the solved edition, so that tests can try its claims on other
inputs."""

import ast

from mgmr_lib.course.authoring.source import SOLUTION, edition_code, read_source
from mgmr_lib.paths import REPOSITORY


def definitions(file_name: str) -> dict:
    """Run the imports, functions and classes of notebooks/src/`file_name`, and nothing else; returns its namespace."""
    source = read_source(REPOSITORY / "notebooks" / "src" / file_name)
    found = {"__name__": file_name}
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    for cell in source.cells:
        if cell.kind == "code":
            tree = ast.parse(edition_code(cell.source, SOLUTION))
            tree.body = [node for node in tree.body if isinstance(node, kept)]
            exec(compile(tree, file_name, "exec"), found)
    return found
