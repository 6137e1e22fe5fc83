"""`predict`: a CSV of clips, or the sentiment of one sentence."""

import argparse
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import check_writable, write_text
from mgmr_lib.paths import expanded
from mgmr_lib.settings import number, whole
from mgmr_lib.training.profiles import PATTERNS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--text", help="a sentence of your own; voice and face count as missing")
    parser.add_argument("--data", help="another corpus or file, or the run's own in its new place (default: the run's)")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"), help="default: test")
    parser.add_argument("--rate", type=number(low=0, high=1), default=0.0, help="missing rate, 0 to 1 (default: 0)")
    parser.add_argument("--pattern", choices=PATTERNS, help="how steps go missing (default: as in the run's training)")
    parser.add_argument("--seed", type=whole(low=0), default=1, help="mask seed (default: 1)")
    parser.add_argument("--batch-size", type=whole(low=1), default=64, help="clips a batch (default: 64)")
    parser.add_argument("--out", type=Path, help="CSV file with the columns id, truth, prediction")


def main(args: argparse.Namespace) -> int:
    if args.text is None and args.out is None:
        raise CourseError("give --out FILE.csv for the predictions of a split, or --text for one sentence")
    return _sentence(args) if args.text is not None else _split(args)


def _split(args: argparse.Namespace) -> int:
    out = expanded(args.out)
    check_writable(out)
    import pandas as pd

    from mgmr_lib.evaluation.missing_rates import references_of
    from mgmr_lib.training.run import load_run

    run = load_run(args.run, data=args.data)
    masked = run.masked(args.split, args.rate, args.seed, pattern=args.pattern)
    split = masked.split
    found = {run.config.model: run.predict(masked, args.batch_size)}
    table = pd.DataFrame({"id": split.ids, "truth": split.labels, "prediction": found[run.config.model]})
    write_text(out, table.to_csv(index=False, lineterminator="\n"))
    print(f"{len(split)} predictions at missing rate {args.rate:g} in {out}")
    if table["truth"].notna().all():
        print(_summary(found | {name: p(masked) for name, p in references_of(run).items()}, split.labels))
    return 0


def _summary(predictions: dict, labels) -> str:
    """A row for the network and one for each reference, so that an error can be judged: MAE and correlation."""
    import pandas as pd

    from mgmr_lib.evaluation.metrics import regression

    rows = {name: regression(values, labels) for name, values in predictions.items()}
    return pd.DataFrame.from_dict(rows, orient="index").round(3).to_string()


def _sentence(args: argparse.Namespace) -> int:
    if not args.text.strip():
        raise CourseError("--text is empty: give a sentence")
    from mgmr_lib.training.run import load_run
    from mgmr_lib.training.sentence import predict_sentence

    run = load_run(args.run, with_corpus=False)
    value, limit = predict_sentence(run, args.text), run.label_range
    print(f"{value:+.3f} on a scale from {-limit:g} to {limit:g} (voice and face missing)")
    return 0
