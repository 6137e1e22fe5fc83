"""Exercises of 13 fusion (stage 2)."""

import torch

from mgmr_lib.chapters.shared.drawing import quarters, separating
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.models.mgmr.fusion import interleave as library_interleave
from mgmr_lib.models.mgmr.fusion import masked_max


def interleave(audio, vision, text):
    """Three (b,l,d) -> (b,3l,d), step by step."""
    return library_interleave({"audio": audio, "vision": vision, "text": text})


def places_back(layout, order, length, listener, speaker):
    """How many places before the listener's token the speaker's token of the same step stands."""
    apart = order.index(listener) - order.index(speaker)
    return apart if layout == "interleaved" else apart * length


def masked_maximum(line, valid):
    """The library's maximum over the three tokens of each valid step: (b,3l,d), (b,l) -> (b,d)."""
    return masked_max(line, valid.repeat_interleave(3, dim=1))


def attention_multiplications(l, d):
    """Four linear maps a token, two products of width d a pair."""
    return 4 * l * d * d + 2 * l * l * d


def _three_cases(rng):
    made = [
        Case(
            tuple(
                torch.full((1, 2, 1), 10.0 * k, dtype=torch.float64) + torch.arange(1, 3)[:, None] for k in (1, 2, 3)
            ),
            "audio 11, 12; vision 21, 22; text 31, 32",
        )
    ]
    return made + [
        tuple(quarters(rng, b, l, d) for _ in range(3)) for b, l, d in ((1, 4, 2), (2, 3, rng.choice([2, 4])))
    ]


def _place_cases(rng):
    made = []
    for layout in ("interleaved", "concatenated"):
        for places in ((2, 0), (0, 2), (1, 0), (1, 2)):  # near and far, behind and before
            order = tuple(rng.sample(("audio", "vision", "text"), 3))
            made.append((layout, order, rng.randint(5, 60), *(order[i] for i in places)))
    return made


def _line_cases(rng):
    made = [
        Case(
            (-torch.arange(1.0, 7.0, dtype=torch.float64)[None, :, None], torch.tensor([[True, False]])),
            "all values below 0",
        )
    ]

    def one(rng):
        b, length = rng.randint(2, 3), rng.randint(3, 5)
        lengths = [length, *(rng.randint(1, length - 1) for _ in range(b - 1))]
        rng.shuffle(lengths)
        valid = torch.arange(length) < torch.tensor(lengths)[:, None]
        line = -quarters(rng, b, 3 * length, 2).abs()
        # Something large behind the end of each short clip: a mask in the wrong place shows.
        behind = ~valid.repeat_interleave(3, dim=1)
        line[lengths.index(min(lengths))] -= 20_000  # no ordinary filling value is low enough
        line[behind] = line[behind].abs() + 1 + torch.arange(3 * length).expand_as(behind)[behind][:, None]
        return line, valid

    def cut(line, valid, tokens):
        return masked_max(line[:, tokens], valid.repeat_interleave(3, dim=1)[:, tokens])

    # The greatest of a clip stands at its very end once, and once at its beginning.
    rivals = [lambda line, valid, t=t: cut(line, valid, t) for t in (slice(None, -1), slice(1, None))]
    return made + separating(rng, one, masked_maximum, rivals, least=3)


def _zeros_win(line, valid):
    return (line * valid.repeat_interleave(3, dim=1)[..., None]).amax(1)


def _filled_with(low: float) -> Wrong:
    return Wrong(
        f"filled with {low:g}",
        lambda line, valid: line.masked_fill(~valid.repeat_interleave(3, dim=1)[..., None], low).amax(1),
        f"fill with {low:g},",
        f"You fill with {low:g}, which is not low enough where all values are lower still: fill with float('-inf'), "
        "which no value undercuts.",
    )


def _padding_only(line, valid):
    return line.masked_fill(valid.repeat_interleave(3, dim=1)[..., None], -torch.inf).amax(1)


def _with_places(line, valid):
    return line.masked_fill(~valid.repeat_interleave(3, dim=1)[..., None], -torch.inf).max(1)


def _tiled(line, valid):
    return masked_max(line, valid.repeat(1, 3))


def _first_tokens(line, valid):
    mask = torch.zeros(line.shape[:2], dtype=torch.bool)
    mask[:, : valid.shape[1]] = valid
    return masked_max(line, mask)


def _mean(line, valid):
    mask = valid.repeat_interleave(3, dim=1)[..., None]
    return (line * mask).sum(1) / mask.sum(1)


def _count_cases(rng):
    return [Case((1, 2), "a single token")] + [(rng.randint(3, 200), rng.choice([8, 16, 24, 64])) for _ in range(4)]


EXERCISES = [
    Exercise(
        id="13.1",
        title="interleave",
        difficulty=1,
        minutes=5,
        reference=interleave,
        cases=_three_cases,
        hints=(
            "Put the three side by side along a new axis behind the steps, then merge steps and that axis.",
            "torch.stack([...], dim=2) is (b,l,3,d); reshape(b, 3 * l, d) reads it step by step.",
        ),
        after="Each step's three tokens are neighbours now.",
        wrong=(
            Wrong(
                "concatenated",
                lambda a, v, t: torch.cat([a, v, t], dim=1),
                "one whole modality after the other",
                "This is one whole modality after the other: the tokens of a step stand l places apart.",
            ),
            Wrong(
                "text first",
                lambda a, v, t: interleave(t, v, a),
                "audio comes first",
                "Within a step audio comes first and text last; here it is the other way round.",
            ),
            Wrong(
                "face and voice swapped",
                lambda a, v, t: interleave(v, a, t),
                "vision stands before",
                "Here vision stands before audio.",
            ),
            Wrong(
                "side by side in width",
                lambda a, v, t: torch.cat([a, v, t], dim=2),
                "three times as wide",
                "This makes each step three times as wide; the line should be three times as long.",
            ),
            Wrong(
                "added",
                lambda a, v, t: (a + v + t).repeat_interleave(3, dim=1),
                "sum",
                "Every token is the sum of the three: a scan can no longer tell who spoke.",
            ),
        ),
    ),
    Exercise(
        id="13.2",
        title="how far back?",
        difficulty=2,
        minutes=8,
        reference=places_back,
        cases=_place_cases,
        hints=(
            "Interleaved, a step's tokens are neighbours; concatenated, a whole modality of `length` tokens lies "
            "between two that follow each other.",
            "order.index(name) is 0, 1 or 2; the result is one integer, the listener's place minus the speaker's.",
        ),
        after="A distance of 1 or 2 against one that grows with the clip.",
        wrong=(
            Wrong(
                "sign turned",
                lambda *a: -places_back(*a),
                "listener's place minus",
                "The sign is turned: it is the listener's place minus the speaker's, positive if the speaker stands "
                "before.",
            ),
            Wrong(
                "without sign",
                lambda *a: abs(places_back(*a)),
                "never negative",
                "This is never negative, but a speaker may stand behind: then a causal listener cannot hear it.",
            ),
            Wrong(
                "length ignored",
                lambda layout, order, length, a, b: order.index(a) - order.index(b),
                "does not depend on the layout",
                "This does not depend on the layout: concatenated, a modality of `length` tokens lies between.",
            ),
            Wrong(
                "layouts swapped",
                lambda layout, *a: places_back("concatenated" if layout == "interleaved" else "interleaved", *a),
                "two layouts are mixed up",
                "The two layouts are mixed up: the near one is interleaved.",
            ),
            Wrong(
                "one modality between, always",
                lambda layout, order, length, a, b: (
                    places_back(layout, order, length, a, b)
                    if layout == "interleaved"
                    else (length if order.index(a) > order.index(b) else -length)
                ),
                "2 * length",
                "Between the first and the last modality lies another one: concatenated, they stand 2 * length apart.",
            ),
            Wrong(
                "three times the length",
                lambda layout, order, length, a, b: places_back(
                    layout, order, 3 * length if layout == "concatenated" else length, a, b
                ),
                "3 * length",
                "Concatenated, each modality is `length` tokens long; 3 * length is the whole line.",
            ),
        ),
    ),
    Exercise(
        id="13.3",
        title="find the bug: zeros win",
        difficulty=2,
        minutes=7,
        reference=masked_maximum,
        cases=_line_cases,
        hints=(
            "In a maximum the harmless value is not 0 but minus infinity.",
            "valid.repeat_interleave(3, dim=1) is (b,3l); masked_fill with -torch.inf where it is False; amax(1) gives "
            "(b,d).",
        ),
        after="Now the length of the longest clip in the batch no longer matters.",
        wrong=(
            Wrong(
                "the colleague's",
                _zeros_win,
                "larger than any",
                "A zero of the padding is larger than any negative value: it wins.",
            ),
            Wrong(
                "no mask",
                lambda line, valid: line.amax(1),
                "all tokens",
                "This takes all tokens, padded ones included.",
            ),
            Wrong(
                "mask tiled",
                _tiled,
                "repeat_interleave",
                "The mask is repeated as a whole, but each step has three tokens in a row: repeat_interleave.",
            ),
            Wrong(
                "first tokens only",
                _first_tokens,
                "first l tokens",
                "The mask covers only the first l tokens: it counts steps, and each step has three.",
            ),
            Wrong("mean", _mean, "average", "This is an average over the valid tokens; asked is their largest value."),
            Wrong(
                "over channels",
                lambda line, valid: line.masked_fill(~valid.repeat_interleave(3, dim=1)[..., None], -torch.inf).amax(2),
                "over the channels",
                "The maximum is taken over the channels; it goes over the tokens, axis 1.",
            ),
            *(_filled_with(low) for low in (-1.0, -10.0, -100.0, -999.0, -1000.0, -9999.0, -10_000.0)),
            Wrong(
                "mask the wrong way round",
                _padding_only,
                "way round",
                "The mask is the wrong way round: you take the maximum of the padding. valid is True where a step "
                "counts, and masked_fill fills where its mask is True.",
            ),
            Wrong(
                "values and their places",
                _with_places,
                "amax",
                "max(1) returns two things, the largest values and their places: take .values, or amax(1).",
            ),
        ),
    ),
    Exercise(
        id="13.4",
        title="count the multiplications",
        difficulty=1,
        minutes=5,
        reference=attention_multiplications,
        cases=_count_cases,
        hints=(
            "A linear map d x d costs d * d for one token. How many pairs of tokens are there, and what does each "
            "cost, twice?",
            "l and d are integers; four maps for l tokens, two products of width d for l * l pairs; the result is an "
            "integer.",
        ),
        after="For short lines the first term rules, for long ones the second.",
        wrong=(
            Wrong(
                "pairs compared only",
                lambda l, d: 4 * l * d * d + l * l * d,
                "collect",
                "The pairs are compared, but to collect the values costs as much again.",
            ),
            Wrong(
                "three maps",
                lambda l, d: 3 * l * d * d + 2 * l * l * d,
                "output",
                "Three maps are counted: queries, keys, values. The output has one, too.",
            ),
            Wrong(
                "width forgotten",
                lambda l, d: 4 * l * d * d + 2 * l * l,
                "each pair costs d",
                "A comparison is a product of two vectors: each pair costs d, not 1.",
            ),
            Wrong(
                "linear part only",
                lambda l, d: 4 * l * d * d,
                "pairs are missing",
                "The pairs are missing: here the cost would be linear in l.",
            ),
            Wrong(
                "half of the pairs",
                lambda l, d: 4 * l * d * d + l * (l - 1) * d,
                "ordered",
                "Pairs are ordered, and a token is paired with itself: l * l of them.",
            ),
        ),
    ),
]
