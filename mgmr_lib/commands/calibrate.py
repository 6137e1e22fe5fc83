"""`calibrate`: real and simulated voices and faces side by side, by simple summaries."""

import argparse
from pathlib import Path

from mgmr_lib.paths import expanded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "corpora",
        nargs="+",
        type=_corpus,
        metavar="NAME_OR_PATH[:FRAMES]",
        help="corpora to compare, each with how many frames make one step (default: 5 for classroom corpora, else 1)",
    )
    parser.add_argument(
        "--out", type=Path, help="JSON file to write the table and its provenance to, and a page (.md) beside it"
    )


def _corpus(word: str) -> tuple[str, int]:
    """ "pom:2" -> ("pom", 2)."""
    from mgmr_lib.data.classroom.corpora import SPECS, recorded_name

    name, colon, frames = word.rpartition(":")
    if colon and frames.isdigit():
        if int(frames) < 1:
            raise argparse.ArgumentTypeError(f"at least one frame makes a step, not {word!r}")
        return name, int(frames)
    return word, 5 if recorded_name(word) in SPECS else 1


def main(args: argparse.Namespace) -> int:
    from mgmr_lib.data.load import load_corpus
    from mgmr_lib.evaluation.calibration import side_by_side, write
    from mgmr_lib.evaluation.calibration_verdict import compared, in_words, page
    from mgmr_lib.files import write_text
    from mgmr_lib.provenance import provenance

    table = side_by_side([(load_corpus(name), frames) for name, frames in args.corpora])
    print(table.to_string())
    print(in_words(compared(table)))
    if args.out:
        out = expanded(args.out)
        write(out, table)
        write_text(out.with_suffix(".md"), page(table, provenance()))
    return 0
