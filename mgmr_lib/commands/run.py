"""`run`: the whole story without notebooks. Train both networks on the default corpus, then one table and one
figure."""

import argparse
from pathlib import Path

from mgmr_lib.paths import REPOSITORY, expanded
from mgmr_lib.settings import whole
from mgmr_lib.training.profiles import PROFILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="classroom-mosi", help="a corpus's name or an MMSA file")
    parser.add_argument("--profile", default="fast", choices=PROFILES, help="sizes of both networks")
    parser.add_argument("--seed", type=whole(low=0), default=1111, help="training seed")
    parser.add_argument(
        "--out", type=Path, default=REPOSITORY / "runs" / "first", help="folder for weights, table and figure"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def main(args: argparse.Namespace) -> int:
    from mgmr_lib.data.door import check_trainable, settings_for
    from mgmr_lib.data.findings import findings, repairs
    from mgmr_lib.data.load import absolute_data, load_corpus
    from mgmr_lib.evaluation.missing_rates import evaluate_run, print_side_by_side
    from mgmr_lib.evaluation.plots import missing_rate_figure, save_figure, tidy
    from mgmr_lib.files import write_json
    from mgmr_lib.settings import parse_rates
    from mgmr_lib.training.run import train_run

    args.data, args.out = absolute_data(args.data), expanded(args.out)
    corpus = load_corpus(args.data, partial=True)
    check_trainable(corpus)
    for line in [*repairs(corpus), *findings(corpus)]:
        print(line)
    results: list[dict] = []
    encoder = None
    for model in ("mgmr", "mfmb"):
        config = configuration(model, args, corpus.family, settings_for(corpus))
        encoder = encoder or shared_encoder(config)
        run = train_run(config, args.out / f"{model}-{config.hash()}", corpus, args.quiet, encoder=encoder)
        first = not results
        results.append(evaluate_run(run, parse_rates("0:1:0.1"), range(1, 4), references=first, quiet=args.quiet))
    print_side_by_side(results)
    write_json(args.out / "missing_rates.json", {"runs": results})
    title = f"{corpus.name}: both networks against references as more goes missing ({args.profile} profile)"
    save_figure(missing_rate_figure(tidy(results), title=title), args.out / "missing_rates.png")
    print(f"table in {args.out / 'missing_rates.json'}, figure in {args.out / 'missing_rates.png'}")
    return 0


def configuration(model: str, args: argparse.Namespace, family: str, of_corpus: dict | None = None):
    """The profile's, with all clips and some more epochs where it is the fast one."""
    from mgmr_lib.training.config import make_config

    # The fast profile is cut down for notebooks; here there are minutes, not seconds.
    more = {"max_clips": None, "epochs": 8, "batch_size": 32, "lr": 1e-3} if args.profile == "fast" else {}
    return make_config(model, args.profile, family, seed=args.seed, data=args.data, **more | (of_corpus or {}))


def shared_encoder(config):
    """A frozen text encoder that remembers: both networks meet the same masked text. None where each fine-tunes its
    own."""
    from mgmr_lib.data.encoding_memo import EncodingMemo
    from mgmr_lib.data.text import load_encoder

    if config.encoder_lr:
        return None
    encoder = load_encoder(config.text_encoder, frozen=True)
    encoder.memo = EncodingMemo()
    return encoder
