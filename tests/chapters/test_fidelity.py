"""The tables that hold our networks against their papers: what they name exists, and what they say of ours is so."""

import importlib
import re

import numpy as np
import pytest
import torch

from mgmr_lib.chapters.ch15_mgmr_net import fidelity as fidelity_ch15
from mgmr_lib.chapters.ch19_mfmb_net import fidelity as fidelity_ch19
from mgmr_lib.chapters.shared.fidelity import KINDS, table
from mgmr_lib.chapters.shared.network_map import sketch
from mgmr_lib.experiments.complexity import network
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer
from tests.toy import toy_corpus

NETWORKS = {"mgmr": fidelity_ch15.CLAIMS, "mfmb": fidelity_ch19.CLAIMS}
ALL = [(name, claim) for name, claims in NETWORKS.items() for claim in claims]


def named(place):
    """The object that "path/of/file.py::a.b" names; an attribute that an __init__ makes does not count."""
    path, name = place.split("::")
    assert (REPOSITORY / path).is_file(), f"{place}: there is no such file"
    found = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name, claim", ALL, ids=[f"{n}: {c.what}" for n, c in ALL])
def test_what_a_claim_names_exists(name, claim):
    assert claim.kind in KINDS and all((claim.what, claim.paper, claim.code, claim.here))
    assert bool(claim.where) == bool(claim.tests) == (claim.kind != "promised")
    for place in claim.where:
        assert place.startswith("mgmr_lib/") and named(place) is not None
    for place in claim.tests:
        assert place.split("::")[1].startswith("test_") and callable(named(place))


@pytest.mark.parametrize("claims", NETWORKS.values(), ids=NETWORKS)
def test_no_claim_is_made_twice_and_no_cell_breaks_the_table(claims):
    assert len({c.what for c in claims}) == len(claims)
    for claim in claims:
        assert not any("|" in cell or "\n" in cell for cell in (claim.what, claim.paper, claim.code, claim.here))


def test_mfmb_nets_equations_are_all_there_in_order():
    numbers = [re.match(r"\((\d+)\)", c.what) for c in NETWORKS["mfmb"] if c.kind == "said"]
    assert [int(found[1]) for found in numbers] == list(range(1, 21))


@pytest.mark.parametrize("claims", NETWORKS.values(), ids=NETWORKS)
def test_a_table_shows_the_claims_of_its_kind_with_links_that_lead_somewhere(claims):
    for kind in {c.kind for c in claims}:
        text = table(claims, kind)
        assert len(text.splitlines()) == 4 + sum(c.kind == kind for c in claims)
        assert all((REPOSITORY / "notebooks" / path).is_file() for path in re.findall(r"\]\(([^)]+)\)", text))
        assert all(c.what in text for c in claims if c.kind == kind)


def test_a_spike_ends_at_five_standard_deviations():
    inputs = Inputs({"text": 2, "audio": 2, "vision": 2})
    inputs.fit("audio", np.random.default_rng(0).normal(3.0, 2.0, (1000, 2)))
    z = inputs.standardise("audio", torch.tensor([[1e6, -1e6], [3.0, 5.0]]))
    assert z[0].tolist() == [5.0, -5.0] and z[1].abs().max() < 1.2


def test_the_recorded_networks_are_as_small_as_the_tables_say():
    laptop, full = (make_config("mgmr", profile).network for profile in ("laptop", "full"))
    assert (laptop.d_state, laptop.expand, laptop.d_model) == (8, 1, 64) and (full.d_state, full.expand) == (12, 4)
    net = sketch("mfmb")[0]
    assert (net.config.d_lstm, net.config.d_mix, net.config.d_fine) == (16, 8, 1)
    assert (net.micro.width, net.macro.width + net.micro.width) == (64, 576)
    assert (net.config.classes, net.config.class_targets) == (7, "two-hot")


def test_the_published_head_reads_450_numbers_and_its_shared_encoder_runs_eight_times():
    code = network("mfmb_code", "full", (8, 5, 20)).eval()
    assert code.macro.width == 90 and code.macro.width + code.micro.width == 450
    runs = []
    code.macro.encoder.register_forward_hook(lambda *_: runs.append(1))
    h = {"text": torch.randn(1, 50, 90), "audio": torch.randn(1, 375, 90), "vision": torch.randn(1, 500, 90)}
    with torch.no_grad():
        code.macro(h, {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in h.items()})
    assert len(runs) == 8


def test_our_trainer_leaves_no_gradient_behind():
    settings = {"text_encoder": "tiny", "d_model": 8, "d_state": 2, "expand": 1, "pool_audio": 4, "pool_vision": 4}
    setup = prepare(make_config("mgmr", "laptop", batch_size=8, epochs=1, **settings), toy_corpus(sizes=(24, 8, 8)))
    Trainer(setup, quiet=True).run()
    assert all(p.grad is None for p in setup.model.parameters())  # three batches: "at every fourth" would leave some
