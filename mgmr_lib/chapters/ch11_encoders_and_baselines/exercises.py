"""Exercises of 11 encoders and baselines: the last valid state, the fusion tensor, its low-rank twin, attention across
modalities."""

import torch

from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.common import last_valid as library_last_valid
from mgmr_lib.models.baselines.tensor_fusion import outer_product, with_one


def last_valid(states, lengths):
    """Each clip's own last state: (b,l,d), (b) -> (b,d)."""
    return library_last_valid(states, torch.arange(states.shape[1]) < lengths[:, None])


def tensor_fusion(text, audio, vision):
    """All products of [z_t; 1], [z_a; 1], [z_v; 1]: (b,i), (b,j), (b,k) -> (b,i+1,j+1,k+1)."""
    return outer_product(text, audio, vision)


def low_rank(factors, z):
    """Sum over the rank of products over modalities: factors {m: (r,d_m+1,f)}, z {m: (b,d_m)} -> (b,f)."""
    product = 1.0
    for m in factors:
        product = product * torch.einsum("bi,rif->brf", with_one(z[m]), factors[m])
    return product.sum(1)


def attend(queries, keys, values, valid):
    """Scaled dot-product attention of one clip over its valid steps: (k,d), (l,d), (l,d), (l) bool -> (k,d)."""
    scores = (queries @ keys.T / keys.shape[1] ** 0.5).masked_fill(~valid, float("-inf"))
    return scores.softmax(-1) @ values


def _quarters(rng, *shape):
    """Quarters without 0 and without 1."""
    return quarters(rng, *shape, high=7, without=(4,))


def _state_cases(rng):
    made = [
        Case(
            (torch.tensor([[1.0, 2, 3, 4], [5, 6, 0, 0]])[..., None], torch.tensor([4, 2])),
            "two clips of 4 and 2 steps",
        )
    ]
    for b in (2, 3, 4):
        longest = rng.randint(5, 7)
        lengths = [longest, *(rng.randint(2, longest - 2) for _ in range(b - 1))]
        rng.shuffle(lengths)
        made.append((_quarters(rng, b, longest, 3), torch.tensor(lengths)))
    return made


def _tensor_cases(rng):
    one = tuple(torch.tensor([[v]], dtype=torch.float64) for v in (2.0, 3.0, 5.0))
    made = [Case(one, "one number a modality: 2, 3 and 5")]
    return made + [
        tuple(_quarters(rng, b, d) for d in widths) for b, widths in ((1, (2, 1, 3)), (2, (3, 2, 4)), (3, (2, 4, 3)))
    ]


def _rank_cases(rng):
    made = []
    for b, widths, f, r in ((1, (1, 1, 1), 1, 1), (1, (2, 1, 3), 2, 2), (3, (2, 3, 4), 4, 2), (2, (3, 2, 2), 3, 4)):
        factors = {m: _quarters(rng, r, d + 1, f) for m, d in zip(MODALITIES, widths, strict=True)}
        z = {m: _quarters(rng, b, d) for m, d in zip(MODALITIES, widths, strict=True)}
        z = dict(reversed(z.items()))  # the two dictionaries need not have one order
        made.append(Case((factors, z), "one number a modality, rank 1") if not made else (factors, z))
    return made


def _attend_cases(rng):
    made = [
        Case(
            (
                torch.zeros(1, 2, dtype=torch.float64),
                _quarters(rng, 3, 2),
                _quarters(rng, 3, 2),
                torch.tensor([True, True, False]),
            ),
            "a query of zeros, and the last step is padding",
        )
    ]
    for k, steps, d in ((2, 4, 4), (3, 6, 4), (5, 3, 9)):
        valid = torch.arange(steps) < rng.randint(2, steps - 1)
        made.append((_quarters(rng, k, d), _quarters(rng, steps, d), _quarters(rng, steps, d), valid))
    queries, low = _quarters(rng, 2, 4) + 3, _quarters(rng, 4, 4) - 50  # scores between -470 and -130
    return [*made, Case((queries, low, _quarters(rng, 4, 4), torch.arange(4) < 3), "all scores are very low")]


def _bare(factors, z, last=False):
    product = 1.0
    for m in factors:
        product = product * torch.einsum("bi,rif->brf", z[m], factors[m][:, 1:] if last else factors[m][:, :-1])
    return product.sum(1)


def _sum_of_parts(factors, z):
    return sum(torch.einsum("bi,rif->brf", with_one(z[m]), factors[m]) for m in factors).sum(1)


def _ones_in_front(text, audio, vision):
    front = [torch.cat([z.new_ones(len(z), 1), z], dim=1) for z in (text, audio, vision)]
    return torch.einsum("bi,bj,bk->bijk", *front)


def _rank_product(factors, z):
    product = 1.0
    for m in factors:
        product = product * torch.einsum("bi,rif->brf", with_one(z[m]), factors[m])
    return product.prod(1)


def _factors_first(factors, z):
    product = 1.0
    for m in factors:
        product = product * torch.einsum("bi,rif->bf", with_one(z[m]), factors[m])
    return product


def _paired_by_place(factors, z):
    return low_rank(dict(zip(factors, factors.values(), strict=True)), dict(zip(factors, z.values(), strict=True)))


def _scores(queries, keys, valid, scale=True, fill=float("-inf")):
    scores = queries @ keys.T
    scores = scores / keys.shape[1] ** 0.5 if scale else scores
    return scores if fill is None else scores.masked_fill(~valid, fill)


EXERCISES = [
    Exercise(
        id="11.1",
        title="find the bug: the last state",
        difficulty=1,
        minutes=7,
        reference=last_valid,
        cases=_state_cases,
        hints=(
            "Which step does [:, -1] take of a clip that is shorter than the longest one? Take each clip's own last "
            "step.",
            "states is (b,l,d), lengths (b). Row i needs step lengths[i] - 1: index both axes with a tensor each, "
            "states[rows, steps].",
        ),
        after="Nothing that stands behind a clip can now reach its summary.",
        wrong=(
            Wrong(
                "last of the batch",
                lambda states, lengths: states[:, -1],
                "longest clip",
                "This is the last step of the longest clip: in all shorter clips it lies in the padding.",
            ),
            Wrong(
                "one too far",
                lambda states, lengths: states[torch.arange(len(states)), lengths.clamp(max=states.shape[1] - 1)],
                "one step too far",
                "This reaches one step too far: a clip of length 5 ends at step 4.",
            ),
            Wrong(
                "all pairs",
                lambda states, lengths: states[:, lengths - 1],
                "every clip at every length",
                "This takes every clip at every length, (b,b,d): index the rows too, with torch.arange(b).",
            ),
            Wrong(
                "shortest for all",
                lambda states, lengths: states[:, int(lengths.min()) - 1],
                "shortest clip",
                "Every clip is read where the shortest clip ends: each has its own length.",
            ),
            Wrong(
                "first step",
                lambda states, lengths: states[:, 0],
                "first step",
                "This is the first step: the LSTM has read only one word there.",
            ),
        ),
    ),
    Exercise(
        id="11.2",
        title="the fusion tensor",
        difficulty=2,
        minutes=8,
        reference=tensor_fusion,
        cases=_tensor_cases,
        hints=(
            "Put a 1 behind each vector. Then every entry of one is multiplied by every entry of the other two.",
            "torch.einsum('bi,bj,bk->bijk', ...) on (b,i+1), (b,j+1), (b,k+1) gives (b,i+1,j+1,k+1); "
            "z.new_ones(len(z), 1) makes the ones.",
        ),
        after="One entry is 1 x 1 x 1: the tensor holds a constant, each vector, all pairs and all triples.",
        wrong=(
            Wrong(
                "no ones",
                lambda text, audio, vision: torch.einsum("bi,bj,bk->bijk", text, audio, vision),
                "without the ones",
                "These are the triples alone: without the ones, no single modality and no pair is left.",
            ),
            Wrong(
                "ones in front",
                _ones_in_front,
                "in front",
                "The ones stand in front; [z; 1] has them behind, so that the vectors keep their places.",
            ),
            Wrong(
                "added",
                lambda text, audio, vision: (
                    with_one(text)[:, :, None, None]
                    + with_one(audio)[:, None, :, None]
                    + with_one(vision)[:, None, None, :]
                ),
                "adds",
                "This adds the entries; the tensor holds products.",
            ),
            Wrong(
                "flat",
                lambda text, audio, vision: outer_product(text, audio, vision).flatten(1),
                "one row a clip",
                "The numbers are right, but flattened to one row a clip: keep the three axes.",
            ),
            Wrong(
                "concatenated",
                lambda text, audio, vision: torch.cat([text, audio, vision], dim=1),
                "concatenation",
                "This is the concatenation: every modality by itself, and no product.",
            ),
            Wrong(
                "vision before audio",
                lambda text, audio, vision: outer_product(text, vision, audio),
                "order of the axes",
                "The order of the axes is text, audio, vision; here voice and face changed places.",
            ),
        ),
    ),
    Exercise(
        id="11.3",
        title="the same with few weights",
        difficulty=2,
        minutes=10,
        reference=low_rank,
        cases=_rank_cases,
        hints=(
            "For each rank: map each [z; 1] to f numbers with its own factor, multiply the three results entry by "
            "entry; then add up the ranks.",
            "[z_m; 1] is (b,d_m+1), a factor (r,d_m+1,f); torch.einsum('bi,rif->brf', ...) gives (b,r,f) for each m; "
            "multiply the three, sum over axis 1.",
        ),
        after="The tensor itself is never formed.",
        wrong=(
            Wrong(
                "ones missing",
                _bare,
                "The ones are missing",
                "The ones are missing: the last row of each factor belongs to the 1 behind z.",
            ),
            Wrong(
                "added over modalities",
                _sum_of_parts,
                "adds the modalities",
                "This adds the modalities; without a product between them nothing interacts.",
            ),
            Wrong(
                "ranks multiplied",
                _rank_product,
                "ranks are multiplied",
                "The ranks are multiplied: multiply over modalities, add over ranks.",
            ),
            Wrong(
                "ranks added first",
                _factors_first,
                "before the product",
                "The ranks are added before the product; first multiply over modalities within each rank.",
            ),
            Wrong(
                "ranks kept",
                lambda factors, z: (
                    low_rank({m: f[:1] for m, f in factors.items()}, z)
                    if len(factors["text"]) > 1
                    else 0 * low_rank(factors, z)
                ),
                "first rank",
                "Only the first rank counts here: the others must be added.",
            ),
            Wrong(
                "paired by place",
                _paired_by_place,
                "by its place",
                "Each vector meets a factor by its place in the dictionary, and the two may have another order: take "
                "z[m] by its name.",
            ),
        ),
    ),
    Exercise(
        id="11.4",
        title="attention from text to voice",
        difficulty=2,
        minutes=10,
        reference=attend,
        cases=_attend_cases,
        hints=(
            "Compare each query with each key, hide the padding, turn every query's scores into shares that add up to "
            "1, and mix the values by them.",
            "queries (k,d), keys (l,d): scores (k,l), divided by sqrt(d); valid (l) hides columns with -inf; softmax "
            "over the last axis; the result is (k,d).",
        ),
        after="Lengths k and l need not agree: nobody aligned anything.",
        wrong=(
            Wrong(
                "padding included",
                lambda q, k, v, valid: _scores(q, k, valid, fill=None).softmax(-1) @ v,
                "looks at padding",
                "This looks at padding too: give hidden steps the score -inf before the softmax.",
            ),
            Wrong(
                "zero scores",
                lambda q, k, v, valid: _scores(q, k, valid, fill=0.0).softmax(-1) @ v,
                "score of 0",
                "A score of 0 is no hiding: exp(0) is 1, so padding still gets a share.",
            ),
            Wrong(
                "hidden too late",
                lambda q, k, v, valid: _scores(q, k, valid, fill=None).softmax(-1).masked_fill(~valid, 0.0) @ v,
                "add up to 1",
                "The padding is hidden after the softmax, so the shares no longer add up to 1.",
            ),
            Wrong(
                "not scaled",
                lambda q, k, v, valid: _scores(q, k, valid, scale=False).softmax(-1) @ v,
                "square root",
                "The scores are not divided by the square root of d: long vectors make attention too sharp.",
            ),
            Wrong(
                "scaled by the steps",
                lambda q, k, v, valid: (_scores(q, k, valid, scale=False) / len(k) ** 0.5).softmax(-1) @ v,
                "how many keys",
                "The scores are divided by the root of how many keys there are, l: it is the width d of a key that "
                "makes them large.",
            ),
            Wrong(
                "a low score",
                lambda q, k, v, valid: _scores(q, k, valid, fill=-100.0).softmax(-1) @ v,
                "no score undercuts",
                "A score of -100 hides nothing where all scores are lower still: fill with float('-inf'), which no "
                "score undercuts.",
            ),
            Wrong(
                "wrong axis",
                lambda q, k, v, valid: _scores(q, k, valid, fill=-1e9).softmax(0) @ v,
                "over the queries",
                "The softmax runs over the queries: each query shares its attention out over the keys, the last axis.",
            ),
            Wrong(
                "keys returned",
                lambda q, k, v, valid: _scores(q, k, valid).softmax(-1) @ k,
                "mixes the keys",
                "This mixes the keys: they only say where to look, the values say what is found there.",
            ),
        ),
    ),
]
