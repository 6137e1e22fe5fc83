"""What a slide keeps of a paragraph: its first statement, sentences with bold words, one that leads to an equation."""

import re

# What holds full stops that end no sentence: formulas, code, links, and words that are cut short.
WHOLE = re.compile(r"\$[^$]+\$|`[^`]*`|\[[^\]]*\]\([^)]*\)|\b(?:e\.g|i\.e|et al|cf|vs|Eq|Eqs|Fig|Sec|No|approx)\.")
END = re.compile(r"(?<=[.!?])(?:\*\*|[\"')\]*])*\s+(?=[\"'(\[*`$]*[A-Z0-9$`*\[(])")
BOLD = re.compile(r"\*\*[^*]+\*\*")


def sentences(paragraph: str) -> list[str]:
    """The sentences of a Markdown paragraph."""
    text = " ".join(paragraph.split())
    kept: list[str] = []

    def hide(m: re.Match) -> str:
        kept.append(m[0])
        return f"${len(kept) - 1}\0"  # a formula may begin a sentence

    hidden = WHOLE.sub(hide, text)
    found, begin = [], 0
    for end in END.finditer(hidden):
        marks = end[0].rstrip()  # a closing quote or bold mark belongs to the sentence it ends
        found.append(hidden[begin : end.start()] + marks)
        begin = end.end()
    return [re.sub(r"\$(\d+)\0", lambda m: kept[int(m[1])], s) for s in [*found, hidden[begin:]] if s]


def reduced(paragraph: str, leads: bool = False) -> list[str]:
    """The sentences that a slide shows. leads: something follows to which a last sentence ending in ":" leads.

    A question, or a first sentence of a word or two, says nothing without the sentence behind it.
    """
    every = sentences(paragraph)
    last = len(every) - 1
    first = [k for k, s in enumerate(every) if not s.endswith("?") and len(s.split()) > 3][:1]
    kept = {*range(first[0] + 1 if first else len(every))}
    kept |= {k for k, s in enumerate(every) if BOLD.search(s) or (leads and k == last and s.endswith(":"))}
    return [every[k] for k in sorted(kept)]


def opening(paragraph: str, most: int = 45) -> list[str]:
    """Of a section's first paragraph, as many whole sentences as stay below `most` words, one at least."""
    kept: list[str] = []
    for sentence in sentences(paragraph):
        if kept and words(" ".join([*kept, sentence])) > most:
            break
        kept.append(sentence)
    return kept


def reduced_note(note: str) -> list[str]:
    """Of a note ("**Card: ...** What it says. Why."), its name and the first sentence that follows."""
    every = sentences(note)
    return every[: 2 if every and BOLD.match(every[0]) else 1]


def words(markdown: str) -> int:
    """How many words of room a text takes; a formula counts as two."""
    return len(re.sub(r"\$[^$]+\$", "f f", markdown).split())
