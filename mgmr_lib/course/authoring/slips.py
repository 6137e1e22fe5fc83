"""Slips in a function's syntax tree: what a hurried or half-understanding author writes in its place.

Another operator, a bound off by one, a dropped term, mask or keyword, two arguments swapped, another variable, a
statement lost or out of order, a return too early: `slips(tree)` yields every such function once.
"""

import ast
import copy
from collections.abc import Iterator

from mgmr_lib.course.authoring.confusions import CONFUSED, EITHER_WAY, SILENT_KEYWORDS, SWAPPED

# --- slips of expressions: a node -> (kind, other node) ------------------------------------------------------------


def _of_binary(node: ast.BinOp):
    for op in SWAPPED.get(type(node.op), []):
        yield "operator", ast.BinOp(node.left, op(), node.right)
    yield "term dropped", node.left
    yield "term dropped", node.right
    if isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)):
        yield "operands swapped", ast.BinOp(node.right, node.op, node.left)


def _of_bool(node: ast.BoolOp):
    yield "operator", ast.BoolOp(SWAPPED[type(node.op)][0](), node.values)
    for i in range(len(node.values)):
        rest = node.values[:i] + node.values[i + 1 :]
        yield "condition dropped", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _of_compare(node: ast.Compare):
    for i, op in enumerate(node.ops):
        for other in SWAPPED.get(type(op), []):
            yield "comparison", ast.Compare(node.left, [*node.ops[:i], other(), *node.ops[i + 1 :]], node.comparators)
    for value in (True, False):
        yield "condition fixed", ast.Constant(value)


def _of_constant(node: ast.Constant):
    v = node.value
    if isinstance(v, bool):
        yield "constant", ast.Constant(not v)
    elif isinstance(v, int):
        yield from (("constant", ast.Constant(w)) for w in (v + 1, v - 1))
    elif isinstance(v, float) and v == v and abs(v) != float("inf"):
        yield from (("constant", ast.Constant(w)) for w in {0.0, 1.0, 2 * v, v / 2} - {v})


def _of_call(node: ast.Call):
    f, args = node.func, node.args
    name = f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "")
    for other in CONFUSED.get(name, []):
        other_f = (
            ast.Attribute(f.value, other, ast.Load()) if isinstance(f, ast.Attribute) else ast.Name(other, ast.Load())
        )
        yield "function", ast.Call(other_f, args, node.keywords)
    for i in range(0 if name in EITHER_WAY else len(args) - 1):
        swapped = [*args[:i], args[i + 1], args[i], *args[i + 2 :]]
        yield "arguments swapped", ast.Call(f, swapped, node.keywords)
    for i, k in enumerate(node.keywords):
        if k.arg not in SILENT_KEYWORDS:
            yield "keyword dropped", ast.Call(f, args, node.keywords[:i] + node.keywords[i + 1 :])
    if len(args) > 1:
        yield "argument dropped", ast.Call(f, args[:-1], node.keywords)
    for kept in [f.value] if isinstance(f, ast.Attribute) else args[:1]:
        yield "call dropped", kept
    if isinstance(f, ast.Attribute) and args:
        yield "call dropped", args[0]
    if name == "range" and len(args) == 1:
        yield "bound", ast.Call(f, [ast.Constant(1), *args], [])
    if name == "range":
        yield "order", ast.Call(ast.Name("reversed", ast.Load()), [node], [])


def _shifted(node, by: int):
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(1))


def _of_subscript(node: ast.Subscript):
    inside = node.slice
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    for i, part in enumerate(parts):
        if isinstance(part, ast.Slice):
            others = [("bound", o) for o in _slices(part)]
        elif isinstance(part, (ast.Constant, ast.UnaryOp)):
            continue
        else:
            others = [("bound", _shifted(part, by)) for by in (1, -1)]
        for kind, o in others:
            new = [*parts[:i], o, *parts[i + 1 :]]
            yield kind, ast.Subscript(node.value, ast.Tuple(new, ast.Load()) if len(new) > 1 else new[0], node.ctx)
    if isinstance(node.ctx, ast.Load):
        yield "index dropped", node.value


def _slices(part: ast.Slice):
    for which in ("lower", "upper", "step"):
        bound = getattr(part, which)
        if bound is None:
            continue
        others = (
            [None]
            if isinstance(bound, (ast.Constant, ast.UnaryOp))
            else [None, _shifted(bound, 1), _shifted(bound, -1)]
        )
        for o in others:
            fields = {w: getattr(part, w) for w in ("lower", "upper", "step")} | {which: o}
            yield ast.Slice(**fields)


def _of_other(node):
    if isinstance(node, ast.UnaryOp):
        yield "sign", node.operand
    elif isinstance(node, ast.IfExp):
        yield "branches swapped", ast.IfExp(node.test, node.orelse, node.body)
        yield "branch dropped", node.body
        yield "branch dropped", node.orelse
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) == 2:
        yield "order", ast.Tuple(node.elts[::-1], node.ctx)
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr in ("T", "mT"):
        yield "transpose dropped", node.value
    elif isinstance(node, ast.comprehension):
        for i in range(len(node.ifs)):
            yield "condition dropped", ast.comprehension(node.target, node.iter, node.ifs[:i] + node.ifs[i + 1 :], 0)


OF_EXPRESSION = {
    ast.BinOp: _of_binary,
    ast.BoolOp: _of_bool,
    ast.Compare: _of_compare,
    ast.Constant: _of_constant,
    ast.Call: _of_call,
    ast.Subscript: _of_subscript,
}


def _of_name(node: ast.Name, names: list[str]):
    """Another variable in the place of one: up to four, those that come next in the function."""
    if isinstance(node.ctx, ast.Load) and node.id in names:
        i = names.index(node.id)
        yield from (("variable", ast.Name(n, ast.Load())) for n in (names[i + 1 :] + names[:i])[:4])


# --- slips of statements: a list of statements -> (kind, index of the shown one, other list) -------------------------


def _of_statements(body: list, names: list[str]):
    for i, s in enumerate(body):
        before, after = body[:i], body[i + 1 :]
        if isinstance(s, (ast.Assign, ast.AugAssign, ast.Expr)) and not _docstring(s):
            yield "statement dropped", s, before + after or [ast.Pass()]
        if isinstance(s, ast.If):
            yield "condition fixed", s, before + s.body + after
            yield "statement dropped", s, before + s.orelse + after or [ast.Pass()]
        if isinstance(s, (ast.For, ast.With)):
            if isinstance(s, ast.With):
                yield "context dropped", s, before + s.body + after
            elif after and isinstance(after[0], ast.Return):
                early = ast.For(s.target, s.iter, [*s.body, after[0]], [])
                yield "return too early", after[0], [*before, early, *after]
        if isinstance(s, ast.For):
            for cut in (ast.Slice(ast.Constant(1)), ast.Slice(None, ast.UnaryOp(ast.USub(), ast.Constant(1)))):
                part = ast.Subscript(ast.Call(ast.Name("list", ast.Load()), [s.iter], []), cut, ast.Load())
                yield "bound", s, [*before, ast.For(s.target, part, s.body, s.orelse), *after]
        if isinstance(s, ast.AugAssign):
            plain = ast.Assign([s.target], s.value)
            yield "not accumulated", plain, [*before, plain, *after]
            for op in SWAPPED.get(type(s.op), []):
                other = ast.AugAssign(s.target, op(), s.value)
                yield "operator", other, [*before, other, *after]
        if after and not isinstance(after[0], ast.Return) and not _docstring(s) and not _independent(s, after[0]):
            yield "order of statements", s, [*before, after[0], s, *after[1:]]
        if isinstance(s, ast.Return) and s.value is not None:
            values = [ast.Name(n, ast.Load()) for n in names]
            values += s.value.elts if isinstance(s.value, ast.Tuple) else []
            for v in values:
                if ast.dump(v) != ast.dump(s.value):
                    yield "return", ast.Return(v), [*before, ast.Return(v), *after]


def _independent(a, b) -> bool:
    """Whether two statements may change places because neither reads or writes what the other writes."""
    return not (_writes(a) & (_reads(b) | _writes(b)) or _writes(b) & _reads(a))


def _reads(s) -> set[str]:
    return {n.id for n in ast.walk(s) if isinstance(n, ast.Name)}


def _writes(s) -> set[str]:
    """Names that a statement sets, changes in part (x[0] = 1), or calls a method of (x.append(1))."""
    targets = [n for n in ast.walk(s) if isinstance(getattr(n, "ctx", None), ast.Store)]
    targets += [s.value.func] if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) else []
    return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def _docstring(s) -> bool:
    return isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)


# --- walking a tree ---------------------------------------------------------------------------------------------------


def _places(tree: ast.FunctionDef):
    """(parent, field, index or None, node, its statement) of every node of the body that a slip may change."""

    def walk(parent, statement):
        for field, value in ast.iter_fields(parent):
            if field in ("returns", "annotation", "decorator_list", "type_params"):
                continue
            for i, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or isinstance(node, (ast.Raise, ast.JoinedStr)) or _docstring(node):
                    continue
                if isinstance(node, ast.keyword) and node.arg in SILENT_KEYWORDS:
                    continue
                inside = node if isinstance(node, ast.stmt) else statement
                yield parent, field, i, node, inside
                yield from walk(node, inside)

    yield from walk(ast.Module(tree.body, []), None)


def _text(statement) -> str:
    """One statement in one line; of a compound one, its head."""
    return ast.unparse(ast.fix_missing_locations(statement)).split("\n")[0]


def slips(tree: ast.FunctionDef, lines: set[int] | None = None) -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """(kind, changed statement, changed function) for every slip, equal functions once; `tree` stays as it was.

    lines: where given, slips in statements that touch none of these lines are left out.
    """
    seen = {ast.unparse(tree)}
    for kind, text, changed in [*_slips_in_nodes(tree, lines), *_slips_in_blocks(tree, lines)]:
        whole = ast.unparse(ast.fix_missing_locations(changed))
        if whole not in seen and _compiles(changed):
            seen.add(whole)
            yield kind, text, changed


def _compiles(tree) -> bool:
    try:
        compile(ast.Module([tree], []), "<slip>", "exec")
    except (SyntaxError, ValueError, TypeError):
        return False
    return True


def _names(tree) -> list[str]:
    """Parameters and local variables."""
    a = tree.args
    stored = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys([p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)] + stored))


def _left_out(statement, lines: set[int] | None) -> bool:
    return lines is not None and lines.isdisjoint(range(statement.lineno, statement.end_lineno + 1))


def _slips_in_nodes(tree, lines):
    names = _names(tree)
    for parent, field, i, node, statement in _places(tree):
        if _left_out(statement, lines):
            continue
        made = OF_EXPRESSION.get(type(node), _of_other)(node)
        made = _of_name(node, names) if isinstance(node, ast.Name) else made
        for kind, other in made:
            yield kind, *_changed(tree, parent, field, i, other, statement)


def _slips_in_blocks(tree, lines):
    names = _names(tree)
    blocks = [(n, f) for n in ast.walk(tree) for f in ("body", "orelse") if isinstance(n, ast.stmt)]
    for block, field in blocks:
        body = getattr(block, field, None)
        if not body or not isinstance(body, list) or all(_left_out(s, lines) for s in body):
            continue
        for kind, shown, other in _of_statements(body, names):
            setattr(block, field, other)
            changed = copy.deepcopy(tree)
            setattr(block, field, body)
            yield kind, _text(shown), changed


def _changed(tree, parent, field, i, other, statement) -> tuple[str, ast.FunctionDef]:
    """Text of the statement, and a copy of the tree, with one node replaced."""
    holder = tree if isinstance(parent, ast.Module) else parent
    value = getattr(holder, field)
    setattr(holder, field, other if i is None else [*value[:i], other, *value[i + 1 :]])
    text, changed = _text(statement), copy.deepcopy(tree)
    setattr(holder, field, value)
    return text, changed
