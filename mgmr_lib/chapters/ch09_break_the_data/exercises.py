"""Exercises of 09 break the data: the mask, lost words, a loss that counts padding, what one seed leaves, bursts."""

import numpy as np

from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.data.missing import mask_tokens as library_tokens
from mgmr_lib.data.missing import protected_tokens, reconstruction_mask, valid_mask


def keep_mask(u, rate, valid, protected):
    """Kept where the draw is at least the rate or the step is protected, inside the clip: (n, L) booleans."""
    return ((u >= rate) | protected) & valid


def mask_tokens(ids, keep, valid):
    """The library's: [UNK] where a valid token was lost, 0 in the padding."""
    return library_tokens(ids, keep, valid)


def reconstruction_loss(guess, truth, keep, valid):
    """Mean absolute error over valid steps that were lost."""
    return np.abs(guess - truth)[reconstruction_mask(valid, keep)].mean()


def moment_left(rate, k, shared):
    """(P(some modality is left), P(all are left))."""
    return (1 - rate, 1 - rate) if shared else (1 - rate**k, (1 - rate) ** k)


def burst_mask(u, rate, start, width, valid):
    """As `keep_mask`, with one draw for each stretch of `width` steps, the first of which lacks its first `start`."""
    return (_drawn(u, (np.arange(valid.shape[1]) + start[:, None]) // width) >= rate) & valid


def _drawn(u, stretch):
    """The draw of each step's stretch: u (n, k), stretch (n, L) -> (n, L)."""
    return np.take_along_axis(u, stretch, axis=1)


def _rectangle(rng):
    """valid (n, L) of clips with different lengths, and protected first and last tokens."""
    lengths = np.array(rng.sample([3, 4, 5, 6], 2) + [8])
    return valid_mask(lengths, 9), protected_tokens(lengths, 9)


def _draws(rng, shape):
    return np.array([rng.randint(0, 19) / 20 for _ in range(shape[0] * shape[1])]).reshape(shape)


def _keep_cases(rng):
    none = np.zeros((1, 5), dtype=bool)
    one = np.array([[True, True, True, True, False]])
    made = [
        Case(
            (np.array([[0.0, 0.25, 0.5, 0.75, 0.9]]), 0.0, one, none),
            "at rate 0 nothing of the clip may be lost, not even at the draw 0",
        ),
        Case((np.array([[0.25, 0.5, 0.75, 0.0, 0.9]]), 0.5, one, none), "one draw equals the rate"),
    ]
    for rate in (1.0, rng.randint(3, 4) / 10, rng.randint(6, 7) / 10):
        valid, protected = _rectangle(rng)
        u = _draws(rng, valid.shape)
        protected = protected.copy()
        protected[:2, 8] = True  # beyond the end of a clip it means nothing
        u[0, 0], u[:, 8] = 0.05, 0.95  # a protected step that its coin would lose, padding that its coin would keep
        u[0, 1] = 0.45 if rate < 0.5 else 0.55  # between the rate and a half: rounded it falls on the other side
        u[1, 1] = rate - 0.02  # a little below the rate: rounded to tenths it reaches it
        made.append((u, rate, valid, protected))
    return made


def _token_cases(rng):
    valid = np.array([[True, True, True, True, False, False]])
    ids = np.array([[101, 2000, 2001, 102, 7, 9]])
    made = [
        Case(
            (ids, np.array([[True, False, True, True, False, True]]), valid),
            "something stands in the padding, and keep is True in one place of it",
        ),
        Case((ids, np.array([[True, True, False, False, False, False]]), valid), "[SEP] is lost too"),
    ]
    for _ in range(3):
        valid, protected = _rectangle(rng)
        ids = np.array([[rng.randint(1000, 2000) for _ in row] for row in valid]) * valid
        keep = keep_mask(_draws(rng, valid.shape), 0.5, valid, protected)
        keep[2, 2:4] = [False, True]
        made.append((ids, keep, valid))
    return made


def _ids_stay_whole(mask, rng):
    """What is wrong with right numbers by which no table can be read."""
    found = np.asarray(mask(*_token_cases(rng)[0].args))
    if np.issubdtype(found.dtype, np.integer):
        return None
    return f"The ids are right, but of the type {found.dtype}: a table is read by whole numbers, so leave them whole."


def _quarters(rng, *shape):
    return np.array([rng.choice([-1, 1]) * rng.randint(1, 12) / 4 for _ in range(int(np.prod(shape)))]).reshape(shape)


def _loss_cases(rng):
    made = []
    for d in (2, 3, 1, 2):
        valid, protected = _rectangle(rng)
        keep = keep_mask(_draws(rng, valid.shape), 0.4, valid, protected)
        keep[2, :5], keep[0, 1], keep[1, 1] = [False, False, False, True, False], False, True
        keep[:, 8] = True  # behind the end of a clip it means nothing
        truth = _quarters(rng, *valid.shape, d) * valid[..., None]
        truth[2, 1] = 0.0  # a frame that was there, of zeros
        errors = _quarters(rng, *valid.shape, d)
        errors[2, 4, 0] = 0.0  # a lost number that was guessed exactly
        made.append((truth + errors, truth, keep, valid))
    return made


def _per_clip(guess, truth, keep, valid):
    return float(
        np.mean(
            [
                reconstruction_loss(*(x[i : i + 1] for x in (guess, truth, keep, valid)))
                for i in range(len(valid))
                if (valid & ~keep)[i].any()
            ]
        )
    )


def _moment_cases(rng):
    made = [Case((0.5, 3, True), "one coin for all"), Case((0.5, 3, False), "three coins")]
    for shared in (True, False, False, True):
        made.append((rng.choice([0.1, 0.2, 0.3, 0.7, 0.8, 0.9]), rng.randint(2, 5), shared))
    return [*made, Case((0.25, 1, False), "a single modality")]


def _burst_cases(rng):
    whole = np.ones((1, 6), dtype=bool)
    made = [
        Case((np.array([[0.5, 0.25, 0.75]]), 0.5, np.array([0]), 2, whole), "one draw equals the rate"),
        Case((np.array([[0.0, 0.75, 0.0, 0.5]]), 0.0, np.array([1]), 2, whole), "at rate 0 nothing is lost"),
    ]
    for width in rng.sample([3, 4, 5], 3):
        length = 3 * width
        valid = valid_mask(np.array(rng.sample(range(width + 1, length), 2) + [length - 1]), length)
        u = np.array([[rng.choice([0.05, 0.15, 0.25]), 0.9, 0.1, 0.95], [0.85, 0.2, 0.9, 0.05], [0.1, 0.8, 0.15, 0.9]])
        last = rng.randint(2, width - 1)  # with 1, what wraps round at the end of the clip would not be seen
        first = rng.choice([k for k in range(1, width) if k != last])
        made.append((u, rng.choice([0.4, 0.5, 0.6]), np.array([first, 0, last]), width, valid))
    return made


def _burst_variant(stretch):
    """Burst masks whose steps belong to stretch(steps, start, width)."""

    def answer(u, rate, start, width, valid):
        steps = np.arange(valid.shape[1])[None, :]
        return (_drawn(u, stretch(steps, start[:, None], width) % u.shape[1]) >= rate) & valid

    return answer


EXERCISES = [
    Exercise(
        id="09.1",
        title="the coins",
        difficulty=1,
        minutes=6,
        reference=keep_mask,
        cases=_keep_cases,
        hints=(
            "A step stays for one of two reasons, its draw or its protection; and only steps of the clip count at all.",
            "All arrays are (n, L): compare with >=, join with | (or) and & (and), and mind the brackets.",
        ),
        after="The draws know nothing of the rate, so higher rates only take away.",
        wrong=(
            Wrong(
                "padding kept",
                lambda u, rate, valid, protected: (u >= rate) | protected,
                "Padding is kept",
                "Padding is kept here where its coin falls well: join with valid, so that only the clip's own steps "
                "count.",
            ),
            Wrong(
                "turned round",
                lambda u, rate, valid, protected: ((u < rate) | protected) & valid,
                "the other way",
                "This compares the other way round: a draw below the rate means lost.",
            ),
            Wrong(
                "bar too high",
                lambda u, rate, valid, protected: ((u > rate) | protected) & valid,
                "u > rate",
                "A draw may equal the rate, or 0: with u > rate something would be lost at rate 0.",
            ),
            Wrong(
                "protection forgotten",
                lambda u, rate, valid, protected: (u >= rate) & valid,
                "[CLS] and [SEP]",
                "Protected steps get lost: [CLS] and [SEP] stay even at rate 1.",
            ),
            Wrong(
                "both reasons",
                lambda u, rate, valid, protected: (u >= rate) & protected & valid,
                "either reason",
                "A step needs both reasons to stay here; either reason is enough.",
            ),
            Wrong(
                "lost instead of kept",
                lambda u, rate, valid, protected: valid & ~keep_mask(u, rate, valid, protected),
                "opposite mask",
                "This is the opposite mask: True where a step of the clip was lost.",
            ),
            Wrong(
                "valid not last",
                lambda u, rate, valid, protected: (u >= rate) & valid | protected,
                "last word",
                "A protected step behind the end of the clip counts as kept: valid has the last word, for protected "
                "steps too (& binds before |).",
            ),
        ),
    ),
    Exercise(
        id="09.2",
        title="lost words",
        difficulty=2,
        minutes=8,
        reference=mask_tokens,
        cases=_token_cases,
        test=_ids_stay_whole,
        hints=(
            "Three kinds of cells: kept ones hold their id, lost ones 100, the padding 0.",
            "np.where twice: the inner one chooses between ids and 100 by keep, the outer one puts 0 where not valid; "
            "all are (n, L).",
        ),
        after="Padding is not lost, so it never becomes [UNK].",
        wrong=(
            Wrong(
                "padding lost",
                lambda ids, keep, valid: np.where(keep, ids, 100),
                "the padding becomes [UNK]",
                "Here the padding becomes [UNK] too: a short text would end in a row of unknown words.",
            ),
            Wrong(
                "zeros for words",
                lambda ids, keep, valid: np.where(keep, ids, 0),
                "lost words become 0",
                "Here lost words become 0, which is the padding's id: they become 100.",
            ),
            Wrong(
                "[MASK]",
                lambda ids, keep, valid: np.where(valid, np.where(keep, ids, 103), 0),
                "[MASK]",
                "103 is [MASK], which asks the language model to guess; the protocol writes [UNK], 100.",
            ),
            Wrong(
                "turned round",
                lambda ids, keep, valid: np.where(valid, np.where(keep, 100, ids), 0),
                "kept words",
                "The kept words were replaced, and the lost ones stay.",
            ),
            Wrong(
                "padding as it was",
                lambda ids, keep, valid: np.where(valid & ~keep, 100, ids),
                "behind the clip",
                "What stood behind the clip is still there: put 0 in the padding, whatever it held.",
            ),
            Wrong(
                "keep before valid",
                lambda ids, keep, valid: np.where(keep, ids, 100 * valid),
                "last word",
                "Where keep is True in the padding, its id stays: valid has the last word.",
            ),
            Wrong("floats", lambda *args: mask_tokens(*args) * 1.0, "a table is read by whole numbers"),
        ),
    ),
    Exercise(
        id="09.3",
        title="find the bug: a loss that counts padding",
        difficulty=3,
        minutes=10,
        reference=reconstruction_loss,
        cases=_loss_cases,
        hints=(
            "Not kept has two reasons: lost, or never there. Only the first one is to be reconstructed.",
            "valid & ~keep is (n, L); used as an index on an (n, L, d) array it leaves (lost steps, d), whose mean is "
            "one number.",
        ),
        after="Zeros are a perfect reconstruction of padding, and of nothing else.",
        wrong=(
            Wrong(
                "the colleague's",
                lambda guess, truth, keep, valid: np.abs(guess - truth)[~keep].mean(),
                "not kept",
                "Padding is not kept either, so ~keep counts it: take steps that were there and went missing.",
            ),
            Wrong(
                "all valid",
                lambda guess, truth, keep, valid: np.abs(guess - truth)[valid].mean(),
                "whole clip",
                "This averages over the whole clip: a model can copy what it was shown.",
            ),
            Wrong(
                "kept ones",
                lambda guess, truth, keep, valid: np.abs(guess - truth)[valid & keep].mean(),
                "steps that were shown",
                "These are the steps that were shown: look at the others.",
            ),
            Wrong(
                "over everything",
                lambda guess, truth, keep, valid: (np.abs(guess - truth) * (valid & ~keep)[..., None]).mean(),
                "below the line",
                "The right errors are added, but below the line stands every cell of the rectangle.",
            ),
            Wrong(
                "features summed",
                lambda guess, truth, keep, valid: np.abs(guess - truth)[valid & ~keep].sum() / (valid & ~keep).sum(),
                "number of steps",
                "The sum over features is divided by the number of steps alone: wide modalities would weigh more.",
            ),
            Wrong(
                "mean over clips",
                _per_clip,
                "clip by clip",
                "This averages clip by clip, so a step of a clip that lost little counts more: put all lost steps "
                "together.",
            ),
            Wrong(
                "squared",
                lambda guess, truth, keep, valid: ((guess - truth)[valid & ~keep] ** 2).mean(),
                "square",
                "The cells are right, the error is squared: take the absolute value.",
            ),
            Wrong(
                "padding read off zeros",
                lambda guess, truth, keep, valid: np.abs(guess - truth)[~keep & truth.any(-1)].mean(),
                "guesses the padding",
                "This guesses the padding from the values: a frame of zeros may have been there, and lost. You have "
                "valid.",
            ),
            Wrong(
                "where the masks differ",
                lambda guess, truth, keep, valid: np.abs(guess - truth)[valid != keep].mean(),
                "two masks differ",
                "The two masks differ in the padding as well, where keep is True: take valid & ~keep.",
            ),
        ),
    ),
    Exercise(
        id="09.4",
        title="what is left of a moment",
        difficulty=2,
        minutes=6,
        reference=moment_left,
        cases=_moment_cases,
        hints=(
            "Some are left unless all coins lose; all are left if every coin wins. With one coin there is only one "
            "event.",
            "Two numbers, each between 0 and 1: with own coins use rate**k and (1 - rate)**k.",
        ),
        after="One seed makes losses all or nothing.",
        wrong=(
            Wrong(
                "never shared",
                lambda rate, k, shared: moment_left(rate, k, False),
                "k coins even where",
                "This tosses k coins even where `shared` says one.",
            ),
            Wrong(
                "always shared",
                lambda rate, k, shared: moment_left(rate, k, True),
                "one coin throughout",
                "This uses one coin throughout: with coins of their own the losses are independent.",
            ),
            Wrong(
                "swapped",
                lambda rate, k, shared: moment_left(rate, k, shared)[::-1],
                "order",
                "The order is swapped: first some, then all.",
            ),
            Wrong(
                "lost for left",
                lambda rate, k, shared: moment_left(1 - rate, k, shared),
                "that a modality loses",
                "rate is the probability that a modality loses the moment, not that it keeps it.",
            ),
            Wrong(
                "all lost",
                lambda rate, k, shared: (rate, 1 - rate) if shared else (rate**k, (1 - rate) ** k),
                "that all lose",
                "The first number is the probability that all lose the moment: some are left otherwise.",
            ),
            Wrong(
                "not a power",
                lambda rate, k, shared: (1 - rate, 1 - rate) if shared else (1 - rate, max(0.0, 1 - k * rate)),
                "multiply",
                "Probabilities of independent coins multiply; they do not add up.",
            ),
            Wrong(
                "lost for left, some",
                lambda rate, k, shared: (1 - rate, 1 - rate) if shared else (1 - (1 - rate) ** k, (1 - rate) ** k),
                "some modality is lost",
                "1 - (1 - r)^k is the chance that some modality is lost. Some is left unless all k are lost, which "
                "happens with r^k.",
            ),
        ),
    ),
    Exercise(
        id="09.5",
        title="bursts",
        difficulty=2,
        minutes=8,
        reference=burst_mask,
        cases=_burst_cases,
        hints=(
            "Number the stretches of a clip: 0, 0, 0, 1, 1, 1, ... Then each step looks up the draw of its stretch.",
            "(np.arange(L) + start[:, None]) // width is (n, L), each step's stretch; np.take_along_axis(u, that, "
            "axis=1) is (n, L), each step's draw.",
        ),
        after="Neighbours share a draw, so they are lost together; and higher rates still only take away.",
        wrong=(
            Wrong(
                "start forgotten",
                _burst_variant(lambda steps, start, width: (steps + 0 * start) // width),
                "at the same places",
                "All clips are cut at the same places here: the first stretch lacks its first `start` steps.",
            ),
            Wrong(
                "start taken away",
                _burst_variant(lambda steps, start, width: (steps - start) // width),
                "stretch -1",
                "With steps - start the first steps lie in stretch -1, which NumPy reads as the last draw: the first "
                "stretch is shorter, so add start.",
            ),
            Wrong(
                "a draw a step",
                _burst_variant(lambda steps, start, width: steps + start),
                "share no draw",
                "Neighbours share no draw here: the number of a step's stretch needs a division by width.",
            ),
            Wrong(
                "round and round",
                _burst_variant(lambda steps, start, width: (steps + start) % width),
                "% width",
                "% width goes round and round within a stretch; // width counts the stretches.",
            ),
            Wrong(
                "bar too high",
                lambda u, rate, start, width, valid: burst_mask(u, np.nextafter(rate, 2), start, width, valid),
                "u > rate",
                "A draw may equal the rate, or 0: with u > rate something would be lost at rate 0.",
            ),
            Wrong(
                "turned round",
                lambda u, rate, start, width, valid: valid & ~burst_mask(u, rate, start, width, valid),
                "the other way",
                "This compares the other way round: a stretch whose draw is below the rate is lost.",
            ),
            Wrong(
                "padding kept",
                lambda u, rate, start, width, valid: burst_mask(u, rate, start, width, np.ones_like(valid)),
                "end of a clip",
                "A stretch may run over the end of a clip, and what lies there counts as kept: join with valid.",
            ),
        ),
    ),
]
