"""Six descriptions of a timing, five made up and a paper's own, and what each of them does not tell."""

FACTS = {
    "clips": "which clips were run, and how many",
    "batch": "how many of them at once",
    "warm-up": "whether first rounds are left out",
    "spread": "how far repeated rounds lie apart",
    "encoder": "whether the text encoder is inside",
}
TIMINGS = {
    "A": "All 686 test clips in batches of 64, text encoder included. One round that does not count, then five: "
    "4.02 s, standard deviation 0.03 s.",
    "B": "All 686 test clips, one at a time, with text features stored beforehand. The first two rounds are left out; "
    "the median of the next nine is 5.1 s.",
    "C": "In batches of 32 and with the text encoder, one round to warm up, then five rounds between 3.8 and 4.0 s.",
    "D": "No warm-up: the first round over all 686 test clips, with the text encoder, takes 4.4 s.",
    "E": "All 686 test clips, and the clock is read only when the queue is empty. Ten rounds, the first not counted: "
    "4.1 s, standard deviation 0.2 s.",
    "F": 'MGMR-Net\'s Table 7: "Performance comparison of model inference time on the CMU-MOSI dataset"; a column '
    '"Time (s)" for complete clips, one for a missing rate of 0.5.',
}
# What a near miss teaches, by description and fact.
LESSONS = {
    ("B", "spread"): "a median of nine rounds does not say how far they lie apart.",
    ("B", "encoder"): "features stored beforehand: this tells that the encoder is outside.",
    ("D", "warm-up"): "it tells that there was none: no good practice, and yet told.",
    ("D", "spread"): "a single round has no spread.",
    ("E", "encoder"): "that the queue was empty is about the clock, not about what was inside.",
    ("F", "clips"): "a data set's name does not tell which of its clips were run.",
}


def lacking(which: str) -> list[str]:
    """The facts that a description does not tell, in the order of FACTS."""
    return {
        "A": [],
        "B": ["spread"],
        "C": ["clips"],
        "D": ["batch", "spread"],
        "E": ["batch", "encoder"],
        "F": ["clips", "batch", "warm-up", "spread", "encoder"],
    }[which]


def judged(answer, rng) -> str | None:
    """What is wrong with another `lacking`, in one sentence; None where nothing is. Order does not matter."""
    found = {which: answer(which) for which in TIMINGS}
    for which, facts in found.items():
        if not isinstance(facts, (list, tuple, set, frozenset)):
            return f'{which}: give a list of facts, such as ["clips", "batch"]; [] where nothing is lacking.'
        unknown = [f for f in facts if f not in FACTS]
        if unknown:
            return f"{which}: {unknown[0]!r} is none of the five facts ({', '.join(FACTS)})."
    if all(set(facts) == set(FACTS) - set(lacking(which)) for which, facts in found.items()):
        return "these are the facts that are told; what is lacking is asked for."
    for which in rng.sample(sorted(TIMINGS), len(TIMINGS)):
        for fact in FACTS:
            if (fact in found[which]) != (fact in lacking(which)):
                return f"{which}: " + LESSONS.get((which, fact), f"read it again: does it tell {FACTS[fact]}?")
    return None
