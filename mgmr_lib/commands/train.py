"""`train`: one run into a folder. Every setting of the run and of its network is an option."""

import argparse
from pathlib import Path

from mgmr_lib.commands.parser import Parser, add_settings
from mgmr_lib.models.registry import NETWORKS, entry
from mgmr_lib.paths import expanded
from mgmr_lib.settings import known
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.profiles import FAMILIES, PROFILES

NO_SETTING = ("model", "profile", "out", "quiet", "command")  # of the arguments, these replace nothing in a profile


def add_arguments(parser: Parser) -> None:
    """The options that every network has; the others follow when the words name the network."""
    parser.usage = "%(prog)s --out FOLDER [--model NAME] [--profile NAME] [settings]"
    start = parser.add_argument_group("what a run starts from")
    start.add_argument("--model", default="mgmr", choices=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    start.add_argument("--profile", default="laptop", choices=PROFILES, help="sizes that the settings start from")
    start.add_argument("--out", type=Path, required=True, help="folder of the run; an interrupted one is resumed")
    start.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.late = _add_settings


def _add_settings(parser: Parser, words: list[str]) -> None:
    """The settings of the run and of the network that the words name, with the profile's values as their defaults."""
    given = {name: _word(words, f"--{name}") for name in ("model", "profile", "dataset", "reading")}
    model = known("model", given["model"] or "mgmr", NETWORKS)
    profile = known("profile", given["profile"] or "laptop", PROFILES)
    family = given["dataset"] if given["dataset"] in FAMILIES else "mosi"
    reading = {"reading": given["reading"]} if given["reading"] and entry(model).readings else {}
    values = make_config(model, profile, family, **reading)
    group = parser.add_argument_group(f"settings of the run (defaults of the {profile} profile)")
    add_settings(group, TrainConfig, ("model", "profile"), values)
    group = parser.add_argument_group(f"settings of the network {model} (defaults of the {profile} profile)")
    add_settings(group, type(values.network), (), values.network)


def _word(words: list[str], name: str) -> str | None:
    """The value of an option, the last one where it is given several times."""
    found = None
    for word, following in zip(words, [*words[1:], None], strict=False):
        if word == name:
            found = following
        elif word.startswith(name + "="):
            found = word.split("=", 1)[1]
    return found


def overrides(args: argparse.Namespace) -> dict:
    """The settings given on the command line."""
    return {k: v for k, v in vars(args).items() if k not in NO_SETTING}


def main(args: argparse.Namespace) -> int:
    given = overrides(args)
    config = make_config(args.model, args.profile, **given)  # a wrong setting answers before the data is read

    from mgmr_lib.data.door import check_trainable, settings_for, short
    from mgmr_lib.data.download.hub import local_folder
    from mgmr_lib.data.findings import findings, repairs
    from mgmr_lib.data.load import absolute_data, load_corpus
    from mgmr_lib.files import make_folder
    from mgmr_lib.training.run import train_run

    given["data"] = absolute_data(config.data)
    if "text_encoder" in given:
        given["text_encoder"] = str(local_folder(config.text_encoder) or config.text_encoder)
    corpus = load_corpus(given["data"], config.dataset, partial=True)
    check_trainable(corpus)
    make_folder(expanded(args.out))
    config = make_config(args.model, args.profile, corpus.family, **settings_for(corpus) | given)
    print(f"corpus {corpus.name}: {', '.join(f'{len(s)} {n}' for n, s in corpus.splits.items())} clips")
    print(f"metrics of {corpus.family}: {corpus.family_reason}")
    for line in [*repairs(corpus), *findings(corpus)]:
        print(line)
    for modality, steps in short(corpus).items():
        if f"pool_{modality}" not in given:
            print(f"{modality} has {steps} steps a clip at most: none are averaged (--pool-{modality} would)")
    run = train_run(config, expanded(args.out), corpus, args.quiet)
    parameters = sum(p.numel() for p in run.model.parameters())
    print(
        f"{config.model}, {parameters:,} parameters, configuration {config.hash()}, weights in "
        f"{args.out}/model.safetensors"
    )
    return 0
