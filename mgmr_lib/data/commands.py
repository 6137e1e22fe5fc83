"""`python -m mgmr_lib data prepare | fetch | verify | describe | export | convert`."""

import argparse
import os
from pathlib import Path

import numpy as np

from mgmr_lib.data.classroom import corpora as classroom
from mgmr_lib.data.corpus import SPLITS, Corpus, Split
from mgmr_lib.data.download.pinned import SOURCES
from mgmr_lib.data.download.published import PUBLISHED, fetch_published, is_whole
from mgmr_lib.data.download.sources import file_sha256, verify
from mgmr_lib.data.findings import findings, repairs
from mgmr_lib.data.load import load_corpus, prepare
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import absolute

BAR = 40  # characters of the longest bar of a histogram


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-commands of `data`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    sub = actions.add_parser(
        "prepare", help="download the rated sentences and the text encoder, build classroom corpora"
    )
    sub.add_argument(
        "--corpus",
        type=classroom.recorded_name,
        choices=[*classroom.SPECS, "all"],
        default="classroom-mosi",
        help="which corpus to build; all: the usual edition of each",
    )
    sub.add_argument("--wait", action="store_true", help="where another `data prepare` is at work, wait for it")
    sub = actions.add_parser("fetch", help="get a corpus that others publish, and turn it into MMSA's layout")
    sub.add_argument("name", choices=list(PUBLISHED), metavar="NAME", help=", ".join(PUBLISHED))
    sub.add_argument("--from", dest="url", metavar="URL", help="another place with the same files (http or file)")
    sub.add_argument("--wait", action="store_true", help="where another `data` command is at work, wait for it")
    actions.add_parser("verify", help="check the SHA-256 of every downloaded and built file")
    sub = actions.add_parser("describe", help="sizes, lengths, labels and repairs of a corpus")
    sub.add_argument("corpus", metavar="NAME_OR_PATH", help="a classroom corpus, or the path of an MMSA pickle")
    sub.add_argument(
        "--dataset", choices=("mosi", "mosei", "sims"), help="the metric family, where the file does not tell"
    )
    sub = actions.add_parser("export", help="write a corpus as a full MMSA pickle")
    sub.add_argument("corpus", metavar="NAME_OR_PATH", help="a classroom corpus, or the path of an MMSA pickle")
    sub.add_argument("path", type=Path, metavar="FILE", help="the pickle to write")
    sub = actions.add_parser("convert", help="turn another layout (MulT, MISA, MAG-BERT, MFN, HDF5, .npz) into MMSA's")
    sub.add_argument("source", type=Path, metavar="SRC", help="a file, or the folder with the files of all splits")
    sub.add_argument("path", type=Path, metavar="DST", help="the pickle to write")
    sub.add_argument(
        "--dataset", choices=("mosi", "mosei", "sims"), help="the metric family, where the file does not tell"
    )
    sub.add_argument(
        "--text-encoder", default="minilm", help="whose tokeniser reads words (default: minilm, BERT's English)"
    )
    sub.add_argument("--label-column", type=int, help="which of several labels, from 0")
    sub.add_argument("--label-range", type=_range, metavar="LOW:HIGH", help="the labels' own scale, such as 1:7")


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not -np.inf < found[0] < found[1] < np.inf:
        raise argparse.ArgumentTypeError(f"must be LOW:HIGH, such as 1:7, not {text!r}")
    return found


def main(args: argparse.Namespace) -> int:
    """Run one sub-command; the exit code."""
    if args.action == "prepare":
        return _prepare(args.corpus, args.wait)
    if args.action == "fetch":
        path = fetch_published(PUBLISHED[args.name], args.url, args.wait)
        print(describe(load_corpus(args.name)))
        print(f"ready: {path}")
        return 0
    if args.action == "verify":
        return _verify()
    if args.action == "describe":
        print(describe(load_corpus(args.corpus, args.dataset, partial=True)))
        return 0
    if args.action == "convert":
        return _convert(args)
    return _export(args.corpus, args.path)


def _prepare(name: str, wait: bool) -> int:
    names = list(dict.fromkeys(map(classroom.recorded_name, classroom.FIRST))) if name == "all" else [name]
    prepare(names, wait)
    for source in SOURCES:
        print(f"ready: {source.path} ({source.package} {source.version})")
    for built in names:
        print(f"ready: {classroom.corpus_path(built)} (real sentences and ratings; simulated voice and face)")
    return 0


def _verify() -> int:
    bad, checked = [], 0
    files = [entry for source in SOURCES for entry in verify(source)]
    for published in PUBLISHED.values():
        if published.folder.exists():
            files += [
                (published.folder / f, is_whole(published.folder / f, *pin)) for f, pin in published.files.items()
            ]
    for name in classroom.SPECS:
        manifest, path = classroom.read_manifest(name), classroom.corpus_path(name)
        if manifest or path.exists():
            files.append((path, path.is_file() and file_sha256(path) == manifest.get("sha256")))
    for path, good in files:
        checked += good
        if not good:
            bad.append(path)
        print(f"{'ok     ' if good else 'DAMAGED' if path.is_file() else 'MISSING'} {path}")
    if bad:
        raise CourseError(
            f"{bad[0]} is {'damaged' if bad[0].is_file() else 'missing'}"
            + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else "")
            + f": delete it and run `python -m mgmr_lib data {_getter(bad[0])}`"
        )
    print(f"{checked} files are what they should be")
    return 0


def _getter(path: Path) -> str:
    return f"fetch {path.parent.name}" if path.parent.name in PUBLISHED else "prepare"


def _export(name: str, path: Path) -> int:
    from mgmr_lib.data.mmsa import export_mmsa

    path = absolute(path)
    _check_folder(path)
    export_mmsa(load_corpus(name), path)
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB in MMSA's layout")
    return 0


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise CourseError(f"cannot write {path}: its folder does not exist or is not writable")


def _convert(args: argparse.Namespace) -> int:
    from mgmr_lib.data.mmsa import export_mmsa
    from mgmr_lib.data.mmsa.convert import Choices, convert

    source, path = absolute(args.source), absolute(args.path)
    _check_folder(path)
    if path.exists() and source.exists() and path.samefile(source):
        raise CourseError(f"{path} is the source itself: give another file to write to")
    corpus = convert(source, Choices(args.dataset, args.text_encoder, args.label_column, args.label_range))
    export_mmsa(corpus, path)
    print(describe(corpus))
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB in MMSA's layout")
    return 0


def describe(corpus: Corpus) -> str:
    """What one should know of a corpus before using it, in plain ASCII."""
    lines = [f"{corpus.name}  ({corpus.source})", f"metric family: {corpus.family}, because {corpus.family_reason}"]
    if corpus.name in classroom.SPECS:
        lines.append("real: sentences and ratings (VADER ground truth). SIMULATED: voice and face.")
    lines += ["", *_table(corpus)]
    lines += ["  (tokens, audio and vision: shortest-median-longest clip / padded length, x feature width)", ""]
    if all("sarcastic" in split.extra for split in corpus.splits.values()):
        shares = ", ".join(f"{s} {np.mean(split.extra['sarcastic']):.1%}" for s, split in corpus.splits.items())
        lines.append(f"sarcastic clips (simulated voice and face contradict the words): {shares}")
    lacking = [name for name in SPLITS if name not in corpus.splits]
    if lacking:
        lines.append(f"no split {' and '.join(lacking)}: `predict --data` works, training does not")
    lines += repairs(corpus) or ["nothing had to be repaired"]
    lines += findings(corpus)
    name = next(iter(corpus.splits))
    labels = corpus[name].labels[np.isfinite(corpus[name].labels)]
    if len(labels):
        lines += ["", f"labels of the {name} split:", *_histogram(labels, corpus.label_range)]
    else:
        lines.append(f"no labels in the {name} split: `predict --data` works, training and evaluating do not")
    return "\n".join(lines).encode("ascii", "backslashreplace").decode()


def _table(corpus: Corpus) -> list[str]:
    """One row per split, each column as wide as its widest entry."""
    rows: list[tuple[str, ...]] = [("split", "clips", "speakers", "tokens", "audio", "vision", "label mean (sd)")]
    rows += [_split_row(name, split) for name, split in corpus.splits.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "   ".join(
            entry.ljust(w) if k == 0 else entry.rjust(w) for k, (entry, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _split_row(name: str, split: Split) -> tuple[str, ...]:
    speakers = len({i.split("$_$")[0] for i in split.ids})
    text = _lengths(split.token_lengths, split.token_ids.shape[1])
    if not split.has_tokens and split.recorded("text").any():
        text += f" x {split.stored_text.dim} (features)"
    sounds, faces = (
        _lengths(r.lengths, r.max_length) + (f" x {r.dim}" if r.lengths.any() else "")
        for r in (split.audio, split.vision)
    )
    known = np.isfinite(split.labels).all()
    label = f"{split.labels.mean():.2f} ({split.labels.std():.2f})" if known else "none"
    return name, str(len(split)), str(speakers), text, sounds, faces, label


def _lengths(lengths: np.ndarray, longest: int) -> str:
    lengths = lengths[lengths > 0]
    return f"{lengths.min()}-{int(np.median(lengths))}-{lengths.max()} / {longest}" if len(lengths) else "none"


def _histogram(labels: np.ndarray, limit: float) -> list[str]:
    edges = np.linspace(-limit, limit, 13)
    counts, _ = np.histogram(np.clip(labels, -limit, limit), edges)
    return [
        f"  {low:6.2f} .. {high:5.2f} {count:6d} {'#' * round(BAR * count / max(counts.max(), 1))}"
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
