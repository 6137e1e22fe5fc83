"""Exercises of 25 a scan is a matrix: the matrix of a scan, segment sums, a chunk's factors, the chunked scan, its
cost."""

import torch

from mgmr_lib.chapters.shared.counting import graph_nodes, written_in_backward
from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.ssm.ssd import segment_sums


def scan_matrix(a, B, C):
    """M_tj = (C_t . B_j) a_{j+1} ... a_t for j <= t, else 0: a (l,), B, C (l,n) -> (l,l)."""
    M = torch.zeros(len(a), len(a), dtype=a.dtype)
    for t in range(len(a)):
        for j in range(t + 1):
            M[t, j] = (C[t] @ B[j]) * a[j + 1 : t + 1].prod()
    return M


def chunk_factors(log_a, B, C):
    """How a chunk reads the state before it, and writes the one after it: (T,), (T,n) twice -> (T,n), (n,T)."""
    reader = torch.exp(log_a.cumsum(0))[:, None] * C
    writer = (torch.exp(segment_sums(log_a)[-1])[:, None] * B).T
    return reader, writer


def chunked_scan(log_a, B, C, X, T):
    """The scan of one head in chunks of T steps: (l,), (l,n) twice, (l,p) -> (l,p)."""
    state, out = X.new_zeros(B.shape[1], X.shape[1]), []
    for log_a_c, B_c, C_c, X_c in zip(*(v.split(T) for v in (log_a, B, C, X)), strict=True):
        reader, writer = chunk_factors(log_a_c, B_c, C_c)
        inside = torch.exp(segment_sums(log_a_c)) * (C_c @ B_c.T)
        out.append(inside @ X_c + reader @ state)
        state = torch.exp(log_a_c.sum()) * state + writer @ X_c
    return torch.cat(out)


def multiply_adds(length, T, n, p):
    """Multiply-adds in the matrix products of a chunked scan of one head; T divides the length."""
    per_chunk = T * T * n + T * T * p + 2 * T * n * p
    return length // T * per_chunk


# --- 25.1
# ---------------------------------------------------------------------------------------------------------------


def _factors(rng, length):
    """Decay factors between 0 and 1, all different while these last."""
    return torch.tensor([k / 16 for k in rng.sample(range(2, 15), length)], dtype=torch.float64)


def _matrix_cases(rng):
    small = (_factors(rng, 3), torch.ones(3, 1, dtype=torch.float64), torch.ones(3, 1, dtype=torch.float64))
    return [Case(small, "B and C are 1, so that only the decays are left")] + [
        (_factors(rng, length), quarters(rng, length, n), quarters(rng, length, n))
        for length, n in ((4, 2), (5, 3), (rng.randint(6, 8), 2))
    ]


def _matrix_variant(a, B, C, first=1, last=1, upper=False):
    M = torch.zeros(len(a), len(a), dtype=a.dtype)
    for t in range(len(a)):
        for j in range(len(a) if upper else t + 1):
            M[t, j] = (C[t] @ B[j]) * a[j + first : t + last].prod()
    return M


# --- 25.2
# ---------------------------------------------------------------------------------------------------------------


def _logs(rng, length):
    return -quarters(rng, length, low=1, high=12).abs()


def _differences(log_a):
    sums = log_a.cumsum(-1)
    future = torch.ones(len(log_a), len(log_a), dtype=torch.bool).triu(1)
    return (sums[:, None] - sums[None, :]).masked_fill(future, -torch.inf)


def _segment_cases(rng):
    return [(_logs(rng, length),) for length in (2, 1, 4, rng.randint(5, 7))]


def _segment_test(fn, rng):
    """One decay that forgets everything must not take the digits of the weak ones beside it."""
    log_a = torch.full((9,), -rng.randint(1, 9) / 1000)
    log_a[3] = -1e30
    got, want = fn(log_a.clone()), segment_sums(log_a)
    if got.dtype != log_a.dtype:
        return f"The sums are right, but float32 came in and {got.dtype} comes out: keep the dtype of log_a."
    if found := difference(got, want, rtol=1e-4):
        return (
            f"Right while the decays are alike. With one log decay of -1e30 and {log_a[0]:.3f} everywhere else, "
            f"{found}. The difference of two long sums loses the digits of the short ones: sum from j + 1 on."
        )
    return None


def _with_own(log_a):
    return segment_sums(log_a) + log_a[None, :]


def _without_last(log_a):
    return segment_sums(log_a) - log_a[:, None]


# --- 25.3
# ---------------------------------------------------------------------------------------------------------------


def _factor_cases(rng):
    return [(_logs(rng, T) / 4, quarters(rng, T, n), quarters(rng, T, n)) for T, n in ((3, 2), (4, 1), (5, 3), (1, 2))]


def _factors_variant(log_a, B, C, own_read=True, own_write=False, from_start=False, plain=False, total=False):
    sums, whole = log_a.cumsum(0), log_a.sum()
    into = sums if own_read else sums - log_a
    out_of = whole - sums + (log_a if own_write else 0)
    out_of = sums if from_start else out_of
    if total:
        into, out_of = whole.expand_as(sums), whole.expand_as(sums)
    if plain:
        into = out_of = torch.zeros_like(sums)
    return torch.exp(into)[:, None] * C, (torch.exp(out_of)[:, None] * B).T


# --- 25.4
# ---------------------------------------------------------------------------------------------------------------


def _chunk_cases(rng):
    def made(length, n, p, T):
        return _logs(rng, length) / 8, quarters(rng, length, n), quarters(rng, length, n), quarters(rng, length, p), T

    return [
        Case(made(3, 2, 1, 3), "a single chunk"),
        Case(made(6, 1, 2, 3), "two chunks"),
        Case(made(8, 2, 3, 2), "four chunks"),
        Case(made(7, 3, 2, 3), "the last chunk is shorter"),
    ]


def _chunk_variant(
    log_a, B, C, X, T, carried=True, fades=True, early=False, reads_decayed=True, decayed_write=True, adds=True
):
    state, out = X.new_zeros(B.shape[1], X.shape[1]), []
    for log_a_c, B_c, C_c, X_c in zip(*(v.split(T) for v in (log_a, B, C, X)), strict=True):
        reader, writer = chunk_factors(log_a_c, B_c, C_c)
        new = writer @ X_c if decayed_write else B_c.T @ X_c
        if adds:
            new = new + (torch.exp(log_a_c.sum()) if fades else 1.0) * state
        y = _one_matrix(log_a_c, B_c, C_c, X_c)
        if carried:
            y = y + (reader if reads_decayed else C_c) @ (new if early else state)
        out.append(y)
        state = new
    return torch.cat(out)


def _one_matrix(log_a, B, C, X, T=None):
    return (torch.exp(segment_sums(log_a)) * (C @ B.T)) @ X


def _step_by_step(log_a, B, C, X, T):
    return chunked_scan(log_a, B, C, X, 1)


def _gradients(fn, rng) -> str | None:
    """What is wrong with the gradients of one input of three chunks, the last of them shorter."""
    values = _logs(rng, 7) / 8, quarters(rng, 7, 2), quarters(rng, 7, 2), quarters(rng, 7, 3)
    weight, (mine, right) = quarters(rng, 7, 3), ([v.clone().requires_grad_() for v in values] for _ in range(2))
    out = fn(*mine, 3)
    if out.grad_fn is None:
        return "The values are right, but no gradient comes back: a detach (or .data, or numpy) cuts the graph."
    got = torch.autograd.grad((weight * out).sum(), mine, allow_unused=True)
    want = torch.autograd.grad((weight * chunked_scan(*right, 3)).sum(), right)
    for name, one, other in zip(("log_a", "B", "C", "X"), got, want, strict=True):
        if one is None or difference(one, other):
            return (
                f"The values are right, but {name} gets another gradient: somewhere a detach cuts the way back, at the "
                "state perhaps, through which a chunk learns from all later ones."
            )
    return None


def _chunk_test(fn, rng):
    """A chunk teaches all earlier ones; it is a few operations, however long; twice the length costs twice as much."""

    def run(length, T):
        arguments = [_logs(rng, length), quarters(rng, length, 2), quarters(rng, length, 2), quarters(rng, length, 3)]
        return fn(*(v.requires_grad_() for v in arguments), T)

    if wrong := _gradients(fn, rng):
        return wrong
    out = run(64, 64)
    nodes = graph_nodes(out).total()
    if nodes > 200:
        return (
            f"The result is right, but 64 steps in one chunk took a graph of {nodes} operations: this goes step by "
            "step. Inside a chunk, use matrix products alone."
        )
    costs = [written_in_backward(run(length, 8)) for length in (128, 256)]
    if costs[1] > 2.6 * costs[0]:
        return (
            f"The result is right, but twice the length costs {costs[1] / costs[0]:.1f} times the writing: somewhere a "
            "matrix of all steps against all steps is made. Cut into chunks of T first."
        )
    shorter, longer = (graph_nodes(run(64, T)).total() for T in (32, 100))
    eight = [graph_nodes(run(8 * T, T)).total() for T in (2, 8)]
    if shorter <= nodes or longer != nodes or eight[0] != eight[1]:
        return "The result is right, but the chunks are not T steps long: 64 steps are two chunks of 32, or one of 64."
    return None


# --- 25.5
# ---------------------------------------------------------------------------------------------------------------


def _cost_cases(rng):
    cases = [Case((6, 1, 2, 5), "chunks of one step: the recurrence"), Case((12, 12, 3, 2), "a single chunk")]
    for _ in range(4):
        T, chunks = rng.choice([2, 3, 4, 5]), rng.choice([2, 3, 6, 7])
        cases.append(Case((T * chunks, T, *rng.sample(range(2, 12), 2))))
    return cases


EXERCISES = [
    Exercise(
        id="25.1",
        title="the matrix of a scan",
        difficulty=1,
        minutes=6,
        reference=scan_matrix,
        cases=_matrix_cases,
        hints=(
            "Follow one input: x_j enters as B_j x_j, fades in every later step up to t, and is then read by C_t.",
            "a is (l,), B and C are (l,n), the result is (l,l) with zeros above the diagonal; "
            "a[j + 1 : t + 1].prod() is 1 where j = t.",
        ),
        after="Whoever reads off one entry has unrolled the whole recurrence: there is nothing else in it.",
        wrong=(
            Wrong(
                "own decay too",
                lambda a, B, C: _matrix_variant(a, B, C, first=0),
                "before x_j enters",
                "Here x_j fades by a_j, too. But step j multiplies the old state before x_j enters: start at a_{j+1}.",
            ),
            Wrong(
                "last decay missing",
                lambda a, B, C: _matrix_variant(a, B, C, last=0),
                "a_t itself",
                "The product ends one step early: step t multiplies the state by a_t itself before C_t reads it.",
            ),
            Wrong(
                "sees the future",
                lambda a, B, C: _matrix_variant(a, B, C, upper=True),
                "later input",
                "Above the diagonal a later input would reach an earlier output: these entries are 0.",
            ),
            Wrong(
                "transposed",
                lambda a, B, C: scan_matrix(a, B, C).T,
                "rows are outputs",
                "This is the transpose: rows are outputs t, columns are inputs j.",
            ),
            Wrong(
                "B and C swapped",
                lambda a, B, C: scan_matrix(a, C, B),
                "have changed roles",
                "B and C have changed roles: B belongs to the step that writes, C to the step that reads.",
            ),
            Wrong(
                "no decay",
                lambda a, B, C: (C @ B.T).tril(),
                "nothing fades",
                "In this matrix nothing fades: between j and t the state is multiplied by a_{j+1} to a_t.",
            ),
        ),
    ),
    Exercise(
        id="25.2",
        title="segment sums that keep their digits",
        difficulty=2,
        minutes=10,
        reference=segment_sums,
        cases=_segment_cases,
        test=_segment_test,
        hints=(
            "A running sum that starts at j + 1 never meets what came before it. Start one for each column, all at "
            "the same time.",
            "Repeat log_a as the columns of an (l,l) matrix, put 0 on and above the diagonal, take cumsum(0), then "
            "fill -inf above the diagonal.",
        ),
        after="More additions than a difference, and none of them can cancel.",
        wrong=(
            Wrong("difference of running sums", _differences, "loses the digits"),
            Wrong(
                "own decay too",
                _with_own,
                "already holds a_j",
                "Each column's sum already holds a_j: the decay of step j itself comes before x_j, start at j + 1.",
            ),
            Wrong(
                "last decay missing",
                _without_last,
                "lacks a_t",
                "The sum lacks a_t, the last of them: it runs from j + 1 to t, both included.",
            ),
            Wrong(
                "zeros above",
                lambda log_a: segment_sums(log_a).masked_fill(torch.ones(len(log_a), len(log_a)).triu(1) > 0, 0.0),
                "weight of 1",
                "Above the diagonal stands 0, and exp(0) is a weight of 1 for the future: put -inf there.",
            ),
            Wrong(
                "transposed",
                lambda log_a: segment_sums(log_a).T,
                "turned over",
                "The matrix is turned over its diagonal: rows are outputs t, columns are inputs j.",
            ),
            Wrong(
                "already exp",
                lambda log_a: segment_sums(log_a).exp(),
                "no exp yet",
                "These are the weights already; return the sums, no exp yet.",
            ),
            Wrong("in float64", lambda log_a: segment_sums(log_a.double()), "keep the dtype"),
        ),
    ),
    Exercise(
        id="25.3",
        title="how a chunk reads and writes the state",
        difficulty=2,
        minutes=8,
        reference=chunk_factors,
        cases=_factor_cases,
        hints=(
            "The state before the chunk fades in every step up to t, step t included. What step j writes fades in "
            "every step after j, up to the chunk's end.",
            "reader is (T,n): exp of log_a.cumsum(0), times C. writer is (n,T): exp of the last row of the segment "
            "sums, times B, transposed.",
        ),
        after="Reader times writer is a whole block of M: T numbers wide, T high, and of rank n at most.",
        wrong=(
            Wrong(
                "reader one decay short",
                lambda log_a, B, C: _factors_variant(log_a, B, C, own_read=False),
                "decay of step t itself",
                "The reader lacks the decay of step t itself: the state fades first and is read then.",
            ),
            Wrong(
                "writer one decay long",
                lambda log_a, B, C: _factors_variant(log_a, B, C, own_write=True),
                "does not fade in step j",
                "In the writer, what step j writes does not fade in step j: sum from j + 1 on.",
            ),
            Wrong(
                "writer from the start",
                lambda log_a, B, C: _factors_variant(log_a, B, C, from_start=True),
                "to the end",
                "The writer sums the decays from the chunk's start to j; what step j writes fades from j to the end.",
            ),
            Wrong(
                "no decay",
                lambda log_a, B, C: _factors_variant(log_a, B, C, plain=True),
                "on neither side",
                "Nothing fades here on neither side: both factors need decays.",
            ),
            Wrong(
                "whole decay everywhere",
                lambda log_a, B, C: _factors_variant(log_a, B, C, total=True),
                "the whole chunk's decay",
                "Every step gets the whole chunk's decay; the first step reads a state that has faded only once.",
            ),
            Wrong(
                "order of the pair",
                lambda log_a, B, C: chunk_factors(log_a, B, C)[::-1],
                "reader first",
                "The two are the other way round: reader first, writer second.",
            ),
            Wrong(
                "B and C swapped",
                lambda log_a, B, C: chunk_factors(log_a, C, B),
                "C reads",
                "B and C are swapped: C reads the state, B writes it.",
            ),
        ),
    ),
    Exercise(
        id="25.4",
        title="the scan in chunks of matrix products",
        difficulty=3,
        minutes=14,
        reference=chunked_scan,
        cases=_chunk_cases,
        test=_chunk_test,
        rtol=1e-9,
        atol=1e-11,
        limit_s=60.0,  # the first use of a dispatch mode imports much of torch, which takes long on a busy machine
        hints=(
            "For each chunk: its own block by masked attention, plus what the reader takes from the state before it. "
            "Then bring the state to the chunk's end.",
            "v.split(T) cuts (l,...) into chunks. inside (T,T) @ X (T,p) + reader (T,n) @ state (n,p); then state = "
            "exp(sum of the chunk's log_a) state + writer (n,T) @ X.",
        ),
        after="Four matrix products a chunk, and one small state handed on: this is the algorithm of Mamba-2.",
        wrong=(
            Wrong(
                "no carried state",
                lambda *args: _chunk_variant(*args, carried=False),
                "starts from nothing",
                "Each chunk starts from nothing: add what the reader takes from the state before the chunk.",
            ),
            Wrong(
                "state does not fade",
                lambda *args: _chunk_variant(*args, fades=False),
                "as if no time",
                "The old state passes through a chunk as if no time went by: multiply it by the chunk's whole decay.",
            ),
            Wrong(
                "state read too late",
                lambda *args: _chunk_variant(*args, early=True),
                "counted twice",
                "The reader takes the state after the chunk, so that the chunk's own inputs are counted twice: read "
                "first, write then.",
            ),
            Wrong(
                "reads without decay",
                lambda *args: _chunk_variant(*args, reads_decayed=False),
                "C alone",
                "The state is read by C alone: up to step t it has faded, so use the reader.",
            ),
            Wrong(
                "writes without decay",
                lambda *args: _chunk_variant(*args, decayed_write=False),
                "B alone",
                "The state is written by B alone: up to the chunk's end it fades, so use the writer.",
            ),
            Wrong(
                "only the last chunk's state",
                lambda *args: _chunk_variant(*args, adds=False),
                "two chunks back",
                "Nothing reaches further than two chunks back: the new state is the old one, faded, plus what is "
                "written.",
            ),
            Wrong("one large matrix", _one_matrix, "all steps against all steps"),
            Wrong("step by step", _step_by_step, "goes step by step"),
            Wrong("chunks of its own", lambda *args: chunked_scan(*args[:4], 32), "not T steps long"),
        ),
    ),
    Exercise(
        id="25.5",
        title="count the multiply-adds",
        difficulty=2,
        minutes=6,
        reference=multiply_adds,
        cases=_cost_cases,
        hints=(
            "A product of (r,s) and (s,c) takes r s c multiply-adds. Which four products does a chunk make?",
            "C B^T: (T,n)(n,T). inside X: (T,T)(T,p). reader state: (T,n)(n,p). writer X: (n,T)(T,p). Times length / "
            "T chunks.",
        ),
        after="Linear in the length. The chunk's length enters once, in the part that is computed as attention.",
        wrong=(
            Wrong(
                "one chunk",
                lambda length, T, n, p: multiply_adds(T, T, n, p),
                "a single chunk",
                "That is the cost of a single chunk: multiply by the number of chunks.",
            ),
            Wrong(
                "without the state",
                lambda length, T, n, p: length * T * (n + p),
                "state is forgotten",
                "The state is forgotten: it is read by one product and written by another.",
            ),
            Wrong(
                "state once",
                lambda length, T, n, p: length * (T * (n + p) + n * p),
                "read and written",
                "The state is read and written, two products; here is only one.",
            ),
            Wrong(
                "without C B",
                lambda length, T, n, p: length * (T * p + 2 * n * p),
                "scores cost",
                "The scores cost something, too: C times B transposed.",
            ),
            Wrong(
                "without the values",
                lambda length, T, n, p: length * (T * n + 2 * n * p),
                "mixing",
                "The mixing is missing: the (T,T) block times X.",
            ),
            Wrong(
                "one large matrix",
                lambda length, T, n, p: length * length * (n + p),
                "without chunks",
                "This is masked attention over the whole length, without chunks.",
            ),
            Wrong(
                "additions twice",
                lambda length, T, n, p: 2 * multiply_adds(length, T, n, p),
                "one multiply-add",
                "A multiplication with its addition is one multiply-add here; this counts both.",
            ),
        ),
    ),
]
