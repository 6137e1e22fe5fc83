"""MGMR-Net: its parts against slow versions, and what a prediction may depend on."""

import dataclasses

import pytest
import torch

from mgmr_lib import ssm
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.errors import CourseError
from mgmr_lib.models import generations
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.mgmr.alignment import Alignment, CollaborativeBiMamba
from mgmr_lib.models.mgmr.config import MGMRConfig
from mgmr_lib.models.mgmr.encoders import UnimodalEncoder
from mgmr_lib.models.mgmr.fusion import InterleavedFusion, interleave, masked_max
from mgmr_lib.models.mgmr.network import MGMRNet
from mgmr_lib.models.mgmr.reconstruction import ReconstructionModule
from tests.models.properties import (
    assert_a_prediction_depends_on_its_clip_alone,
    assert_every_weight_gets_a_gradient,
    assert_hidden_content_changes_nothing,
    assert_nothing_is_left_at_rate_one,
    masked,
    tiny,
)

SMALL = MGMRConfig(d_model=8, d_state=3, expand=2)
VARIANTS = [
    SMALL,
    dataclasses.replace(SMALL, layer="simplified"),
    dataclasses.replace(SMALL, layer="mamba2", collaboration="shared"),
    dataclasses.replace(SMALL, layer="mamba2", bidirectional=True),
    dataclasses.replace(SMALL, layer="mamba3", d_state=4, bidirectional=True),
    dataclasses.replace(SMALL, collaboration="shared", depth_align=2, depth_fuse=2),
    dataclasses.replace(SMALL, bidirectional=True, gate="channel"),
    dataclasses.replace(SMALL, use_alignment=False),
    dataclasses.replace(SMALL, use_fusion=False),
    dataclasses.replace(SMALL, use_reconstruction=False),
]


def variant(config):
    """What distinguishes a variant, as a test's name."""
    return ",".join(f"{k}={v}" for k, v in vars(config).items() if v != getattr(SMALL, k)) or "default"


def network(config=SMALL, pool=None, seed=0):
    torch.manual_seed(seed)
    return MGMRNet(config, Inputs({"text": tiny().dim, "audio": 5, "vision": 7}, pool, tiny())).eval()


@pytest.mark.parametrize("config", VARIANTS, ids=variant)
@pytest.mark.parametrize("pool", [None, {"audio": 4, "vision": 6}], ids=["native", "pooled"])
def test_a_prediction_depends_on_its_clip_alone(config, pool):
    assert_a_prediction_depends_on_its_clip_alone(network(config, pool), spread=1e-3)


@pytest.mark.parametrize("config", VARIANTS, ids=variant)
def test_nothing_in_padding_or_missing_steps_changes_a_prediction(config):
    assert_hidden_content_changes_nothing(network(config))


def test_at_rate_one_all_content_is_gone():
    assert_nothing_is_left_at_rate_one(network())


def test_an_unpacked_lstm_says_the_same_as_a_packed_one():
    encoder = UnimodalEncoder(5, 8, 5, recurrent=True).double()
    x, lengths = torch.randn(4, 12, 5, dtype=torch.float64), torch.tensor([12, 3, 7, 1])
    valid = torch.arange(12)[None] < lengths[:, None]
    got = encoder(Sequence(x * valid[..., None], x, valid, valid))
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    hidden, _ = torch.nn.utils.rnn.pad_packed_sequence(encoder.lstm(packed)[0], batch_first=True, total_length=12)
    want = encoder.conv(hidden.transpose(1, 2)).transpose(1, 2) * valid[..., None]
    torch.testing.assert_close(got, want, atol=1e-12, rtol=0)


def test_interleaving_puts_audio_vision_text_of_each_step_side_by_side():
    x = {
        m: torch.full((1, 3, 1), 10.0 * k) + torch.arange(3.0)[None, :, None]
        for k, m in enumerate(("audio", "vision", "text"))
    }
    assert interleave(x).flatten().tolist() == [0, 10, 20, 1, 11, 21, 2, 12, 22]


def test_the_maximum_ignores_padding():
    x, valid = torch.tensor([[[-5.0], [-2.0], [0.0]]]), torch.tensor([[True, True, False]])
    assert masked_max(x, valid).item() == -2.0


def gradient_of_text_to_audio(collaboration):
    torch.manual_seed(0)
    branch = CollaborativeBiMamba(8, 1, collaboration, d_state=3)
    text, audio = torch.randn(2, 6, 8, requires_grad=True), torch.randn(2, 6, 8, requires_grad=True)
    branch(text, audio, torch.ones(2, 6, dtype=torch.bool))[0].sum().backward()
    return audio.grad


def test_shared_collaboration_passes_nothing_between_modalities_and_exchange_does():
    assert gradient_of_text_to_audio("shared") is None
    assert gradient_of_text_to_audio("exchange").abs().max() > 1e-4


@pytest.mark.parametrize("collaboration", ["shared", "exchange"])
def test_the_pairs_of_a_branch_share_one_decay_matrix_and_no_projection(collaboration):
    branch = CollaborativeBiMamba(8, 2, collaboration, d_state=3)
    for stack in (branch.ahead, branch.back):
        for a, b in zip(stack.first, stack.second, strict=True):
            assert a.mixer.A_log is b.mixer.A_log and a.mixer.x_proj.weight is not b.mixer.x_proj.weight
    assert branch.ahead.first[0].mixer.A_log is not branch.back.first[0].mixer.A_log


def test_alignment_sees_both_ways_but_flips_only_the_valid_part():
    torch.manual_seed(0)
    stage, valid = Alignment(8, 1, d_state=3), torch.arange(9)[None] < torch.tensor([[6]])
    x = {m: torch.randn(1, 9, 8) for m in MODALITIES}
    short = {m: v[:, :6] for m, v in x.items()}
    out, want = stage(x, valid), stage(short, valid[:, :6])
    for m in MODALITIES:
        torch.testing.assert_close(out[m][:, :6], want[m], atol=1e-6, rtol=0)


def test_printed_reconstruction_is_causal_and_the_option_is_not():
    for bidirectional in (False, True):
        torch.manual_seed(0)
        module = ReconstructionModule(8, 5, 2, bidirectional=bidirectional, d_state=3)
        x, valid = torch.randn(1, 7, 8, requires_grad=True), torch.ones(1, 7, dtype=torch.bool)
        module(x, valid)[1][0, 2].sum().backward()
        later = x.grad[0, 3:].abs().max().item()
        assert (later > 0) == bidirectional and x.grad[0, :3].abs().min() > 0


def test_a_closed_gate_gives_the_guess_and_an_open_one_the_input():
    torch.manual_seed(0)
    module = ReconstructionModule(8, 5, 1, d_state=3).eval()
    x, valid = torch.randn(2, 7, 8), torch.ones(2, 7, dtype=torch.bool)
    guess = module.layers[0](x, valid)
    fused, decoded, gamma = module(x, valid)
    want = module.decode(gamma * x + (1 - gamma) * guess)
    torch.testing.assert_close(decoded, want)
    assert gamma.shape == (2, 7, 1) and (gamma > 0).all() and (gamma < 1).all()


def test_switched_off_parts_are_not_built():
    full = sum(p.numel() for p in network(SMALL).parameters())
    for name in ("use_alignment", "use_fusion", "use_reconstruction"):
        net = network(dataclasses.replace(SMALL, **{name: False}))
        assert sum(p.numel() for p in net.parameters()) < full
    assert network(dataclasses.replace(SMALL, use_reconstruction=False))(masked().batch(range(4))).reconstruction == {}


def test_without_stage_two_the_order_of_tokens_no_longer_matters():
    torch.manual_seed(0)
    x, valid = {m: torch.randn(1, 5, 8) for m in MODALITIES}, torch.ones(1, 5, dtype=torch.bool)
    order = torch.tensor([3, 0, 4, 1, 2])
    turned = {m: v[:, order] for m, v in x.items()}
    for depth, same in ((0, True), (1, False)):
        fusion = InterleavedFusion(8, depth, d_state=3).eval()
        assert torch.allclose(fusion(x, valid), fusion(turned, valid), atol=1e-6) == same


@pytest.mark.parametrize("config", VARIANTS[:4], ids=variant)
def test_every_weight_gets_a_gradient(config):
    assert_every_weight_gets_a_gradient(network(config).train())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"layer": "simplified", "bidirectional": True}, "--bidirectional true needs --layer selective"),
        ({"layer": "mamba3", "collaboration": "shared"}, "--layer mamba3 has no matrix A"),
        ({"layer": "mamba3", "d_state": 3}, "--layer mamba3 needs --d-state of at least 4"),
        ({"layer": "mamba4"}, "did you mean mamba"),
    ],
)
def test_layers_that_do_not_fit_are_refused_in_one_sentence(settings, says):
    with pytest.raises(CourseError, match=says):
        MGMRConfig(**settings)


def test_the_configurations_offer_the_layers_that_there_are():
    assert generations.GENERATIONS == ssm.GENERATIONS


def test_pairs_share_a_matrix_A_where_the_layer_has_one():
    for layer, owners in (("selective", 1), ("mamba2", 1), ("mamba3", 0)):
        pair = CollaborativeBiMamba(8, 1, d_state=4, layer=layer)
        assert sum("A_log" in name for name, _ in pair.named_parameters()) == 2 * owners


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: CollaborativeBiMamba(8, 1, "exchanged"), "collaboration must be one of .*, not 'exchanged'"),
        (lambda: UnimodalEncoder(5, 8, 4, True), "kernel must be odd, so that steps stay in place, but is 4"),
        (lambda: ReconstructionModule(8, 5, 1, gate="vector"), "gate must be 'scalar' or 'channel', not 'vector'"),
        (lambda: ReconstructionModule(8, 5, 1, bidirectional=True, layer="simplified"), "use layer='selective'"),
    ],
)
def test_a_part_says_which_readings_it_has(make, says):
    with pytest.raises(ValueError, match=says):
        make()
