"""`train`: one run into a folder. Every field of the configuration is an option."""

import argparse
import dataclasses
import sys
import types
import typing
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.models.registry import NETWORKS, entry
from mgmr_lib.training.config import PROFILES, TrainConfig, make_config

FIXED = {"model", "profile", "network", "data", "seed", "dataset"}


def _switch(text: str) -> bool:
    if text.lower() in ("true", "yes", "1", "on"):
        return True
    if text.lower() in ("false", "no", "0", "off"):
        return False
    raise argparse.ArgumentTypeError(f"true or false, not {text!r}")


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _optional(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


def _converter(annotation):
    """How an option's text becomes a field of this type."""
    if annotation is bool:
        return _switch
    if typing.get_origin(annotation) is tuple:
        return _numbers
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _optional
    return annotation


def _add_fields(parser, kind: type) -> None:
    hints = typing.get_type_hints(kind)
    taken = {a.dest for a in parser._actions}
    for f in dataclasses.fields(kind):
        if f.name not in FIXED | taken:
            option = "--" + f.name.replace("_", "-")
            parser.add_argument(option, type=_converter(hints[f.name]), default=argparse.SUPPRESS, metavar="X")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="mgmr", help="|".join(NETWORKS))
    parser.add_argument(
        "--data", default="classroom-mosi", help="a classroom corpus's name, or the path of an MMSA file"
    )
    parser.add_argument(
        "--dataset", choices=("mosi", "mosei", "sims"), help="metric family (default: found out, and said)"
    )
    parser.add_argument("--profile", default="laptop", help="|".join(PROFILES))
    parser.add_argument("--seed", type=int, default=1111)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; an interrupted one is resumed")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    settings = parser.add_argument_group("settings that replace the profile's")
    _add_fields(settings, TrainConfig)
    _add_fields(settings, _network_of(sys.argv))


def _network_of(arguments: list[str]) -> type:
    """The configuration of the model that the command line names: its fields are options as well."""
    for i, word in enumerate(arguments):
        if word == "--model" and i + 1 < len(arguments):
            return entry(arguments[i + 1]).config
        if word.startswith("--model="):
            return entry(word.split("=", 1)[1]).config
    return entry("mgmr").config


def overrides(args: argparse.Namespace) -> dict:
    """The settings given on the command line (seed, data and dataset included)."""
    fixed = {"model", "profile", "out", "quiet", "command"}
    return {k: v for k, v in vars(args).items() if k not in fixed}


def main(args: argparse.Namespace) -> int:
    from mgmr_lib.data.door import settings_for
    from mgmr_lib.data.findings import findings, repairs
    from mgmr_lib.data.load import absolute_data, load_corpus
    from mgmr_lib.training.run import train_run

    if args.seed < 0:
        raise CourseError(f"--seed must not be negative, but is {args.seed}")
    make_config(args.model, args.profile, **overrides(args))  # a wrong setting answers before the data is read
    args.data = absolute_data(args.data)
    corpus = load_corpus(args.data, args.dataset)
    config = make_config(args.model, args.profile, corpus.family, **settings_for(corpus) | overrides(args))
    print(f"corpus {corpus.name}: {', '.join(f'{len(s)} {n}' for n, s in corpus.splits.items())} clips")
    print(f"metrics of {corpus.family}: {corpus.family_reason}")
    for line in [*repairs(corpus), *findings(corpus)]:
        print(line)
    run = train_run(config, args.out, corpus, args.quiet)
    parameters = sum(p.numel() for p in run.model.parameters())
    print(
        f"{config.model}, {parameters:,} parameters, configuration {config.hash()}, weights in {args.out}/model.safetensors"
    )
    return 0
