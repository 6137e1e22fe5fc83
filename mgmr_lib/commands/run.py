"""`run`: the whole story without notebooks. Train on the default corpus, then the missing-rate table and its figure."""

import argparse
from pathlib import Path

from ..paths import REPOSITORY


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="classroom-mosi", help="a corpus's name or an MMSA file")
    parser.add_argument("--profile", default="fast", help="fast, laptop or full")
    parser.add_argument("--seed", type=int, default=1111)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "runs" / "first", help="folder for weights, table and figure")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def main(args: argparse.Namespace) -> int:
    from ..data.load import load_corpus
    from ..evaluation.evaluation import evaluate_run, print_table
    from ..evaluation.missing_rates import parse_rates
    from ..evaluation.plots import missing_rate_figure, save_figure, tidy
    from ..training.checkpoint import write_json
    from ..training.config import make_config
    from ..training.run import train_run

    corpus = load_corpus(args.data)
    # The fast profile is cut down for notebooks; here there are minutes, not seconds: all clips, and some more epochs.
    more = {"max_clips": None, "epochs": 8} if args.profile == "fast" else {}
    config = make_config("mgmr", args.profile, corpus.family, seed=args.seed, data=args.data, **more)
    run = train_run(config, args.out / f"mgmr-{config.hash()}", corpus, args.quiet)
    result = evaluate_run(run, parse_rates("0:1:0.1"), range(1, 4), references=True, quiet=args.quiet)
    print_table(result)
    areas = {"mgmr": result["aggregates"], **{n: r["aggregates"] for n, r in result["references"].items()}}
    for name, aggregates in areas.items():
        print(f"{name}: AUILC over rates 0..1: MAE {aggregates['auilc']['mae']:.3f}, Corr {aggregates['auilc']['corr']:.3f}")
    write_json(args.out / "missing_rates.json", result)
    title = f"{corpus.name}: MGMR-Net against references as more goes missing ({args.profile} profile)"
    save_figure(missing_rate_figure(tidy([result]), title=title), args.out / "missing_rates.png")
    print(f"table in {args.out / 'missing_rates.json'}, figure in {args.out / 'missing_rates.png'}")
    return 0
