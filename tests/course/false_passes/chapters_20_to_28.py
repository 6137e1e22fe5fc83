"""What once passed in chapters 20 to 28."""

import math
import statistics
from itertools import pairwise

import numpy as np
import torch

from mgmr_lib.chapters.ch22_ablations.mistakes import changed_experiment
from mgmr_lib.chapters.ch25_a_scan_is_a_matrix.exercises import chunk_factors, chunked_scan
from mgmr_lib.course import registry
from mgmr_lib.models.baselines.misa import central_moment_discrepancy
from mgmr_lib.ssm.ssd import segment_sums


def right(exercise):
    return registry.find(exercise).reference


def first_local_minimum(history):
    return next((a["test"] for a, b in pairwise(history) if b["valid"] >= a["valid"]), history[-1]["test"])


def stops_after_two_worse(history):
    for now, one, two in zip(history, history[1:], history[2:], strict=False):
        if now["valid"] <= min(one["valid"], two["valid"]):
            return now["test"]
    return history[-1]["test"]


def interval_of(d, t):
    half = t * statistics.stdev(d) / math.sqrt(len(d))
    return statistics.mean(d) - half, statistics.mean(d) + half


def rounded_down_plus_one(differences, gain):
    return int((2.8 * statistics.stdev(differences) / gain) ** 2) + 1


def nearest_to_the_mean(labels):
    return min(labels, key=lambda v: abs(v - statistics.mean(labels)))


def of_perfect_runs_dropped(whole, variant):
    seeds = [s for s in whole if whole.get(s) and variant.get(s)]
    pairs = right("22.2")({s: whole[s] for s in seeds}, {s: variant[s] for s in seeds})[0]
    return pairs, right("22.2")(whole, variant)[1]


def down_by(p, bar):
    found = {}
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        found[i] = all(found.values()) and p[i] <= bar(len(p) - rank)
    return [found[i] for i in range(len(p))]


def holm_sidak(p):
    return down_by(p, lambda left: 1 - 0.95 ** (1 / left))


def holm_without_ties(p):
    different = sorted(set(p))
    passed = {x for x, ok in zip(different, down_by(different, lambda left: 0.05 / left), strict=True) if ok}
    return [x in passed for x in p]


def a_perfect_variant_failed(train, whole, variants, seeds):
    return right("22.5")(lambda n, s: e if (e := train(n, s)) or n == whole else None, whole, variants, seeds)


def crossing_up_to_1000(a, b, m):
    return next((l for l in range(1, 1000) if a * l + b * l * l > m * l), 1000)


def one_long_call(gpu, work, rounds):
    gpu.run(work)
    gpu.wait()
    begun = gpu.now
    gpu.run(work * rounds)
    gpu.wait()
    return (gpu.now - begun) / rounds


def chosen(gains, k):
    return sorted(range(len(gains)), key=lambda i: -gains[i])[:k]


def largest(changes):
    return max(abs(c) for c in changes)


def share_above(bar, others):
    return sum(largest(other) >= bar for other in others) / len(others)


def subtracted_in_float64(log_a):
    sums = log_a.double().cumsum(0)
    future = torch.ones(len(log_a), len(log_a), dtype=torch.bool).triu(1)
    return (sums[:, None] - sums[None]).masked_fill(future, -math.inf).to(log_a.dtype)


def in_chunks(read=lambda state: state, keep=lambda state: state):
    """The right answer to 25.4, but for what a chunk reads of the state, and what it keeps of it."""

    def scan(log_a, B, C, X, T):
        state, out = X.new_zeros(B.shape[1], X.shape[1]), []
        for a, b, c, x in zip(*(v.split(T) for v in (log_a, B, C, X)), strict=True):
            reader, writer = chunk_factors(a, b, c)
            out.append((torch.exp(segment_sums(a)) * (c @ b.T)) @ x + reader @ read(state))
            state = torch.exp(a.sum()) * keep(state) + writer @ x
        return torch.cat(out)

    return scan


def scan_in_float32(log_a, B, C, X, T):
    return chunked_scan(*(v.float() for v in (log_a, B, C, X)), T).double()


def angles_summed(numbers, k):
    angle, sums = 0.0, []
    for x in numbers:
        angle += 2 * math.pi * x / k
        sums.append(round(angle * k / (2 * math.pi)) % k)
    return sums


def angles_summed_by_numpy(numbers, k):
    return [round(a * k / (2 * math.pi)) % k for a in np.cumsum([2 * math.pi * x / k for x in numbers])]


def numbers_summed_by_numpy(numbers, k):
    return [round(float(np.sum(numbers[: i + 1]))) % k for i in range(len(numbers))]


def with_fixed_means(x, y, moments):
    total, x, y = torch.linalg.vector_norm(x.mean(0) - y.mean(0)), x - x.mean(0).detach(), y - y.mean(0).detach()
    return total + sum(torch.linalg.vector_norm((x**k).mean(0) - (y**k).mean(0)) for k in range(2, moments + 1))


def old_label_bounded_too(own, y, delta, delta_fused, epoch, limit):
    return right("27.3")(max(-limit, min(limit, own)), y, delta, delta_fused, epoch, limit)


WRONG = {
    "20.1": {
        "second epoch": lambda history: history[1]["test"],
        "first local minimum": first_local_minimum,
        "patience of two": stops_after_two_worse,
        "worst of a tie": lambda history: min(history, key=lambda e: (e["valid"], -e["test"]))["test"],
    },
    "20.2": {
        "sorted first": lambda a, b, t: interval_of([x - y for x, y in zip(sorted(a), sorted(b), strict=True)], t),
        "no change dropped": lambda a, b, t: interval_of([x - y for x, y in zip(a, b, strict=True) if x != y], t),
    },
    "20.3": {
        "one more than rounded down": rounded_down_plus_one,
        "at least two": lambda d, gain: max(2, right("20.3")(d, gain)),
    },
    "21.1": {"nearest to the mean": nearest_to_the_mean},
    "21.3": {"a set of each row": lambda table: [sum(set(row)) / len(set(row)) for row in table]},
    "21.4": {
        "an area of 0 is missing": lambda a, b: [a[s] - b[s] for s in sorted(a) if a.get(s) and b.get(s)],
        "seeds sorted as text": lambda a, b: [a[s] - b[s] for s in sorted(set(a) & set(b), key=str)],
        "seeds below ten": lambda a, b: [a[s] - b[s] for s in range(1, 10) if s in a and s in b],
        "no difference dropped": lambda a, b: [d for s in sorted(set(a) & set(b)) if (d := a[s] - b[s])],
    },
    "22.2": {"an error of 0 is missing": of_perfect_runs_dropped},
    "22.4": {"Holm and Sidak": holm_sidak, "Holm over different values": holm_without_ties},
    "22.5": {
        "Holm and Sidak": changed_experiment(lambda p: dict(zip(p, holm_sidak(list(p.values())), strict=True))),
        "seeds of its own": lambda train, whole, variants, seeds: right("22.5")(
            train, whole, variants, [11, 12, 13, 14]
        ),
        "name of its own": lambda train, whole, variants, seeds: right("22.5")(train, "whole", variants, seeds),
        "a perfect variant failed": a_perfect_variant_failed,
    },
    "23.2": {"up to 1000": crossing_up_to_1000},
    "23.3": {"one long call": one_long_call},
    "24.2": {
        "median": lambda gains, fresh, k: statistics.median(fresh[i] for i in chosen(gains, k)),
        "looked up by gain": lambda g, f, k: statistics.mean(dict(zip(g, f, strict=True))[v] for v in sorted(g)[-k:]),
    },
    "24.3": {
        "only as many words": lambda c, others: share_above(largest(c), [other[: len(c)] for other in others]),
        "the lowest for the largest": lambda c, others: share_above(abs(min(c)), others),
    },
    "25.2": {"subtracted in float64": subtracted_in_float64},
    "25.4": {
        "chunks of T + 1": lambda log_a, B, C, X, T: chunked_scan(log_a, B, C, X, T + 1),
        "state read without a gradient": in_chunks(read=torch.Tensor.detach),
        "state kept without a gradient": in_chunks(keep=torch.Tensor.detach),
        "in float32": scan_in_float32,
    },
    "26.4": {
        "angles summed": angles_summed,
        "angles summed by NumPy": angles_summed_by_numpy,
        "numbers summed by NumPy": numbers_summed_by_numpy,
    },
    "27.2": {
        "y is not taught": lambda x, y, moments: central_moment_discrepancy(x, y.detach(), moments),
        "means are not taught": with_fixed_means,
    },
    "27.3": {"the old label bounded too": old_label_bounded_too},
    "28.1": {
        "in order of the alphabet": lambda mine, others, lower: sorted(right("28.1")(mine, others, lower)),
        "part of a name": lambda mine, others, lower: right("28.1")(mine, others, str(lower)),
        "columns of the first rival": lambda m, others, lower: [
            c for c in (others[0] if others else {}) if c in right("28.1")(m, others, lower)
        ],
        "in order of the rivals": lambda m, others, lower: [
            c for c in dict.fromkeys(c for row in others for c in row) if c in right("28.1")(m, others, lower)
        ],
    },
}
