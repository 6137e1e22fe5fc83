"""Mutants of an exercise's reference: wrong functions, close to the right one, that its check has to reject.

Most are slips in the reference's syntax tree; functions of this library that the reference calls are treated in the
same way, one level deep. The others use inputs or the result wrongly as a whole: one input taken for another or by its
absolute value, a result negated, sorted or turned round. The wrong answers that an exercise declares come along.
"""

import ast
import copy
import dataclasses
import inspect
import random
import sys
import textwrap
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mgmr_lib.course.authoring.slips import slips
from mgmr_lib.course.registry import Exercise

MAX_STEPS = 5_000  # of a mutant's while loops in one call; references need a few dozen


@dataclass(frozen=True)
class Mutant:
    """exercise: its id; kind: what was changed, in words; text: the changed statement; fn: the wrong function."""

    exercise: str
    kind: str
    text: str
    fn: Callable

    @property
    def key(self) -> str:
        """What names it in a list of equivalent mutants: it stays the same while its statement does."""
        return f"{self.exercise} | {self.kind} | {self.text}"


class EndlessLoop(Exception):
    """A mutant's loop does not come to an end."""


def _tree(fn) -> ast.FunctionDef:
    return ast.parse(textwrap.dedent(inspect.getsource(fn))).body[0]


class _Counted(ast.NodeTransformer):
    """`while` loops that count their rounds, so that an endless one ends at once, the same on every machine."""

    def visit_While(self, node):
        self.generic_visit(node)
        node.body.insert(0, ast.parse("_count_round()").body[0])
        return node


def _compiled(tree: ast.FunctionDef, module: dict, file: str) -> Callable:
    """The function of a tree, in a copy of its module's names."""
    rounds = [0]

    def count_round():
        rounds[0] += 1
        if rounds[0] > MAX_STEPS:
            raise EndlessLoop

    names = dict(module) | {"_count_round": count_round}
    whole = ast.fix_missing_locations(ast.Module([_Counted().visit(tree)], []))
    exec(compile(whole, file, "exec"), names)
    fn = names[tree.name]

    def fresh(*args, **kwargs):
        rounds[0] = 0
        return fn(*args, **kwargs)

    return fresh


def _helpers(fn) -> Iterator[tuple[str, str | None, Callable]]:
    """(name, attribute, function) of this library's functions that `fn` calls: `convolve` or `linear.convolve`."""
    seen = set()
    for node in ast.walk(_tree(fn)):
        if not isinstance(node, ast.Call):
            continue
        f, base = node.func, fn.__globals__
        if isinstance(f, ast.Name):
            name, attribute, found = f.id, None, base.get(f.id)
        elif isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name):
            name, attribute, owner = f.value.id, f.attr, base.get(f.value.id)
            found = getattr(owner, f.attr, None) if isinstance(owner, types.ModuleType) else None
        else:
            continue
        ours = isinstance(found, types.FunctionType) and found.__module__.startswith("mgmr_lib.")
        if ours and found is not fn and not found.__closure__ and (name, attribute) not in seen:
            seen.add((name, attribute))
            yield name, attribute, found


def _with_helper(fn, name: str, attribute: str | None, helper: Callable) -> Callable:
    """`fn` with another function in the place of one that it calls."""
    if attribute is not None:
        module = types.ModuleType(fn.__globals__[name].__name__)
        vars(module).update(vars(fn.__globals__[name]) | {attribute: helper})
        helper = module
    other = types.FunctionType(fn.__code__, fn.__globals__ | {name: helper}, fn.__name__, fn.__defaults__)
    other.__kwdefaults__ = fn.__kwdefaults__
    return other


def _lines_run(helper: Callable, spec: Exercise) -> set[int] | None:
    """Lines of a helper, counted from 1, that the exercise's inputs reach; None (all) where it has a test alone."""
    if spec.cases is None:
        return None
    code, reached, tracer = helper.__code__, set(), sys.gettrace()

    def trace(frame, event, _):
        if frame.f_code is code:
            reached.add(frame.f_lineno - code.co_firstlineno + 1)
            return trace
        return None

    sys.settrace(trace)
    try:
        for seed in range(3):
            for case in spec.inputs(random.Random(seed)):
                spec.reference(*copy.deepcopy(case.args))
    finally:
        sys.settrace(tracer)
    return reached


def _of_source(spec: Exercise) -> Iterator[Mutant]:
    fn = spec.reference
    for kind, text, tree in slips(_tree(fn)):
        yield Mutant(spec.id, kind, text, _compiled(tree, fn.__globals__, "<mutant>"))
    for name, attribute, helper in _helpers(fn):
        called = name if attribute is None else f"{name}.{attribute}"
        for kind, text, tree in slips(_tree(helper), _lines_run(helper, spec)):
            other = _compiled(tree, helper.__globals__, "<mutant>")
            yield Mutant(spec.id, kind, f"{called}: {text}", _with_helper(fn, name, attribute, other))


# --- inputs and result used wrongly as a whole ------------------------------------------------------------------------


def _array(x) -> bool:
    return hasattr(x, "shape") and hasattr(x, "ndim")


def _mapped(change):
    """A change of one number (or array), carried through lists, tuples and dicts."""

    def mapped(x):
        if isinstance(x, (list, tuple)):
            return type(x)(mapped(v) for v in x)
        if isinstance(x, dict):
            return {k: mapped(v) for k, v in x.items()}
        return change(x) if _means_something("number", x) else x

    return mapped


def _along(change_list, change_array):
    """A change along the last axis of an array, or of a list (of the inner ones, where lists hold lists)."""

    def along(x):
        if _array(x):
            return change_array(x) if x.ndim else x
        if isinstance(x, dict):
            return {k: along(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            nested = len(x) > 0 and isinstance(x[0], (list, tuple))
            return type(x)(along(v) for v in x) if nested else type(x)(change_list(list(x)))
        return x

    return along


def _turned(x):
    return x.flip(-1) if hasattr(x, "flip") else x[..., ::-1]


def _moved(x):
    return x.roll(1, -1) if hasattr(x, "roll") else type(x)([*x[-1:], *x[:-1]])


def _first_of_batch(x):
    return x[:1].expand_as(x)


CHANGES = {  # words -> (the change, the values that it means something for)
    "absolute": (_mapped(abs), "float"),
    "negated": (_mapped(lambda v: -v), "number"),
    "doubled": (_mapped(lambda v: 2 * v), "number"),
    "not below zero": (_mapped(lambda v: v.clamp(min=0) if hasattr(v, "clamp") else max(v, 0)), "float"),
    "rounded": (_mapped(lambda v: v.round() if hasattr(v, "round") else round(v)), "float"),
    "turned round": (_along(lambda x: x[::-1], _turned), "sequence"),
    "moved by one": (_along(_moved, _moved), "sequence"),
    "first of the batch": (_first_of_batch, "batch"),
}


def _means_something(kind: str, x) -> bool:
    """Whether a change for this kind of value can change `x` at all."""
    if isinstance(x, (list, tuple)):
        return len(x) > 1 if kind == "sequence" else kind != "batch" and any(_means_something(kind, v) for v in x)
    if isinstance(x, dict):
        return kind != "batch" and any(_means_something(kind, v) for v in x.values())
    if _array(x):
        dtype = str(x.dtype)
        of_kind = {
            "float": "float" in dtype or "complex" in dtype,
            "number": "bool" not in dtype,
            "batch": hasattr(x, "expand_as") and x.ndim > 1 and x.shape[0] > 1,
        }
        return of_kind.get(kind, x.ndim > 0)
    if isinstance(x, (bool, str)) or not isinstance(x, (int, float, complex)):
        return False
    return kind == "number" or (kind == "float" and not isinstance(x, int))


def _same_kind(a, b) -> bool:
    return type(a) is type(b) or (isinstance(a, (int, float)) and isinstance(b, (int, float)))


def _of_whole(spec: Exercise) -> Iterator[Mutant]:
    """Where an exercise has cases: its reference, with an input or the result changed as a whole."""
    fn = spec.reference
    cases = spec.inputs(random.Random(0))
    if not cases:
        return
    case = max(cases, key=lambda c: sum(len(a) for a in c.args if isinstance(a, (list, tuple))))  # not an empty list
    names = list(inspect.signature(fn).parameters)[: len(case.args)]
    result = fn(*copy.deepcopy(case.args))
    for words, (change, kind) in CHANGES.items():
        if _means_something(kind, result):
            yield Mutant(spec.id, "result", words, lambda *args, c=change: c(fn(*args)))
        for i, name in enumerate(names):
            if _means_something(kind, case.args[i]):
                changed = lambda *args, c=change, i=i: fn(*_replaced(args, i, c(args[i])))  # noqa: E731
                yield Mutant(spec.id, "input", f"{name} {words}", changed)
    for i, name in enumerate(names):
        yield Mutant(spec.id, "input", f"{name} as at first", _remembering(fn, i))
        for j, other in enumerate(names):
            if i != j and _same_kind(case.args[i], case.args[j]):
                taken = lambda *args, i=i, j=j: fn(*_replaced(args, i, args[j]))  # noqa: E731
                yield Mutant(spec.id, "input", f"{other} for {name}", taken)
                swapped = lambda *args, i=i, j=j: fn(*_exchanged(args, i, j))  # noqa: E731
                if i < j:
                    yield Mutant(spec.id, "input", f"{name} and {other} swapped", swapped)


def _replaced(args, i, value):
    return [*args[:i], value, *args[i + 1 :]]


def _exchanged(args, i, j):
    return _replaced(_replaced(args, i, args[j]), j, args[i])


def _remembering(fn, i):
    """`fn` with its i-th input as it was in the first call ever: an answer fitted to one example."""
    first = []

    def remembering(*args):
        first.append(args[i]) if not first else None
        return fn(*_replaced(args, i, first[0]))

    return remembering


def mutants(spec: Exercise) -> list[Mutant]:
    """All mutants of an exercise, its declared wrong answers first; a key that comes again gets a number."""
    made = [Mutant(spec.id, "declared", w.name, w.fn) for w in spec.wrong]
    made += [*_of_source(spec), *_of_whole(spec)]
    seen, numbered = Counter(), []
    for m in made:
        seen[m.key] += 1
        n = seen[m.key]
        numbered.append(m if n == 1 else dataclasses.replace(m, text=f"{m.text} #{n}"))
    return numbered
