"""Eqs. 8 to 13 of MFMB-Net against slow versions on single clips; what the recurrences and the BatchNorm may see."""

import math

import pytest
import torch
from torch import nn

from mgmr_lib.models.inputs import pool_to_length
from mgmr_lib.models.masked_norm import MaskedBatchNorm
from mgmr_lib.models.mfmb.micro_fusion import CoarseToFine, MemoryGate, MicroFusion
from mgmr_lib.models.recurrent import Bidirectional
from tests.models.mfmb_oracles import assert_same_gradients, ragged, slow_ffn, slow_linear, slow_norm

D, HIDDEN, LONGEST = 5, 3, 6
LENGTHS = {"text": [4, 1, 5], "audio": [2, 7, 1], "vision": [9, 3, 6]}


def module(length=LONGEST, gate="printed"):
    torch.manual_seed(0)
    net = MicroFusion(D, HIDDEN, length, mix=7, fine=2, gate=gate).double()
    for fine in net.fine.values():
        nn.init.normal_(fine.norm.weight)
        nn.init.normal_(fine.norm.bias)
        nn.init.uniform_(fine.norm.running_var, 0.5, 2.0)
        nn.init.normal_(fine.norm.running_mean)
    return net.eval()


def inputs(junk=None):
    found = {m: ragged(lengths, D, seed, junk) for seed, (m, lengths) in enumerate(LENGTHS.items())}
    return {m: x for m, (x, _) in found.items()}, {m: valid for m, (_, valid) in found.items()}


def slow_lstm(lstm, x):
    """One direction over a clip (l, d) -> (l, hidden), gate by gate (Hochreiter and Schmidhuber; torch's order i, f, g,
    o)."""
    h = c = torch.zeros(lstm.hidden_size, dtype=x.dtype)
    out = []
    for row in x:
        z = lstm.weight_ih_l0 @ row + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
        i, f, g, o = z.chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        out.append(h)
    return torch.stack(out)


def slow_context(net, m, x):
    """Eq. 8 for one clip."""
    lstm = net.context[m]
    ahead, back = slow_lstm(lstm.ahead[0], x), slow_lstm(lstm.back[0], x.flip(0)).flip(0)
    return torch.tanh(torch.cat([ahead, back], dim=1))


def slow_conv(conv, x):
    """A convolution of three taps over a clip (l, d), zeros beside it."""
    beside = torch.cat([torch.zeros_like(x[:1]), x, torch.zeros_like(x[:1])])
    return torch.stack([sum(conv.weight[:, :, k] @ beside[t + k] for k in range(3)) + conv.bias for t in range(len(x))])


def slow_gated(net, m, x):
    """Eqs. 8 to 10 for one clip: U (l, 2 hidden)."""
    context, gate = slow_context(net, m, x), net.gate[m]
    return context * slow_ffn(gate.feed_forward, slow_conv(gate.conv, context))


def slow_coarse(norm, text, other, longest):
    """Eqs. 11 and 12 for one clip with the norm's running statistics: rows = channels, columns = 2 L steps."""
    stacked = [text, other]  # Eq. 11
    out = torch.zeros(text.shape[1], 2 * longest, dtype=text.dtype)
    for channel in range(text.shape[1]):
        for which, u in enumerate(stacked):
            for t in range(len(u)):  # phi: the two rows of L steps behind each other
                z = (u[t, channel] - norm.running_mean[channel]) / math.sqrt(norm.running_var[channel] + norm.eps)
                out[channel, which * longest + t] = z * norm.weight[channel] + norm.bias[channel]
    return out


def slow_micro(net, clip):
    """H_fusion of one clip {modality: (l, d)}."""
    u, parts = {m: slow_gated(net, m, x) for m, x in clip.items()}, []
    for q in ("vision", "audio"):
        k = len(u["text"])
        bins = [(j * len(u[q]) // k, -(-(j + 1) * len(u[q]) // k)) for j in range(k)]
        on_text = torch.stack([u[q][a:b].mean(0) for a, b in bins])
        fine = net.fine[q]
        first, _, norm, second, _ = fine.mix
        x = slow_coarse(fine.norm, u["text"], on_text, net.length)
        parts.append(slow_linear(second, slow_norm(norm, slow_linear(first, x).clamp(min=0))).clamp(min=0).flatten())
    return torch.cat(parts)


def clips(h):
    return [{m: h[m][i, : LENGTHS[m][i]] for m in h} for i in range(3)]


def test_equation_8_reads_each_clip_from_its_own_two_ends():
    net, (h, valid) = module(), inputs(junk=9.0)
    for m in h:
        got = torch.tanh(net.context[m](h[m], valid[m]))
        for i, l in enumerate(LENGTHS[m]):
            torch.testing.assert_close(got[i, :l], slow_context(net, m, h[m][i, :l]), atol=1e-12, rtol=0)


def test_equation_9_is_a_convolution_and_two_layers_on_each_step():
    torch.manual_seed(0)
    gate, (x, _) = MemoryGate(D).double(), ragged([4, 2], D)
    got = gate(x)[1]
    for i, l in enumerate((4, 2)):
        torch.testing.assert_close(
            got[i, :l], slow_ffn(gate.feed_forward, slow_conv(gate.conv, x[i, :l])), atol=1e-12, rtol=0
        )


def test_equation_10_multiplies_every_channel_by_its_gate():
    torch.manual_seed(0)
    gate, (x, _) = MemoryGate(D).double(), ragged([4, 2], D)
    u, g = gate(x)
    for i in range(2):
        for t in range(4):
            assert u[i, t].tolist() == [a * b for a, b in zip(x[i, t].tolist(), g[i, t].tolist(), strict=True)]


def test_the_printed_gate_is_unbounded_and_the_sigmoid_is_not():
    x = 50 * ragged([6], D)[0]
    torch.manual_seed(0)
    printed, bounded = MemoryGate(D).double(), MemoryGate(D, "sigmoid").double()
    bounded.load_state_dict(printed.state_dict())
    assert printed(x)[1].abs().max() > 1
    torch.testing.assert_close(bounded(x)[1], 1 / (1 + torch.exp(-printed(x)[1])))


def pair(seed=0):
    """Text and another modality on the text's steps, padded to L."""
    (text, valid), (other, _) = ragged([4, LONGEST, 1], D, seed), ragged([4, LONGEST, 1], D, seed + 1)
    torch.manual_seed(0)
    return CoarseToFine(LONGEST, D, 7, 2).double(), text, other, valid


def test_equation_11_stacks_text_and_the_other_in_one_sequence_of_2l_steps():
    fine, text, other, valid = pair()
    fine.eval().norm.eps = 0.0  # fresh running statistics: the norm changes nothing
    got = fine.coarse(text, other, valid)
    for i in range(3):
        torch.testing.assert_close(got[i], torch.cat([text[i].T, other[i].T], dim=1), atol=1e-12, rtol=0)


def test_equation_12_normalises_each_channel_over_valid_steps_of_the_batch():
    fine, text, other, valid = pair()
    nn.init.normal_(fine.norm.weight)
    nn.init.normal_(fine.norm.bias)
    got = fine.train().coarse(text, other, valid)
    for c in range(D):
        seen = [x[i, t, c].item() for x in (text, other) for i, t in valid.nonzero().tolist()]
        mean = sum(seen) / len(seen)
        variance = sum((s - mean) ** 2 for s in seen) / len(seen)
        assert fine.norm.running_mean[c].item() == pytest.approx(0.1 * mean, abs=1e-12)
        assert fine.norm.running_var[c].item() == pytest.approx(
            0.9 + 0.1 * variance * len(seen) / (len(seen) - 1), abs=1e-12
        )
        for x, offset in ((text, 0), (other, LONGEST)):
            for i in range(3):
                for t in range(LONGEST):
                    z = (x[i, t, c].item() - mean) / math.sqrt(variance + 1e-5) * fine.norm.weight[c] + fine.norm.bias[
                        c
                    ]
                    want = z.item() if valid[i, t] else 0.0
                    assert got[i, c, offset + t].item() == pytest.approx(want, abs=1e-10)


def test_equation_12_in_evaluation_uses_the_running_statistics():
    fine, text, other, valid = pair()
    fine.train().coarse(text, other, valid)
    got = fine.eval().coarse(text, other, valid)
    for i, l in enumerate((4, LONGEST, 1)):
        want = slow_coarse(fine.norm, text[i, :l], other[i, :l], LONGEST)
        torch.testing.assert_close(got[i], want, atol=1e-12, rtol=0)


def test_equation_13_mixes_along_time_channel_by_channel():
    fine, text, other, valid = pair()
    fine.eval()
    first, _, norm, second, _ = fine.mix
    got, coarse = fine(text, other, valid), fine.coarse(text, other, valid)
    for i in range(3):
        want = slow_linear(second, slow_norm(norm, slow_linear(first, coarse[i]).clamp(min=0))).clamp(min=0)
        torch.testing.assert_close(got[i], want.flatten(), atol=1e-12, rtol=0)


def test_the_stream_is_all_of_it_clip_by_clip():
    net, (h, valid) = module(), inputs()
    for x in h.values():
        x.requires_grad_()
    got, gates = net(h, valid)
    want = torch.stack([slow_micro(net, clip) for clip in clips(h)])
    assert got.shape == (3, net.width) and (got > 0).any()
    torch.testing.assert_close(got, want, atol=1e-10, rtol=0)
    assert_same_gradients(got, want, [*net.parameters(), *h.values()])
    assert {m: g.shape for m, g in gates.items()} == {m: (*valid[m].shape, 2 * HIDDEN) for m in valid}


def test_a_text_beyond_the_limit_is_averaged_onto_it():
    net, (h, valid) = module(length=3), inputs()
    steps, lengths = net._on_text(h, valid)
    assert lengths.tolist() == [3, 1, 3] and all(x.shape == (3, 3, D) for x in steps.values())
    torch.testing.assert_close(
        steps["text"][0], torch.stack([h["text"][0, a:b].mean(0) for a, b in ((0, 2), (1, 3), (2, 4))])
    )
    torch.testing.assert_close(steps["audio"], pool_to_length(h["audio"], valid["audio"], lengths, 3))
    assert net(h, valid)[0].shape == (3, net.width)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_two_directions_equal_the_librarys_packed_ones(kind):
    torch.manual_seed(0)
    ours, theirs = Bidirectional(kind, D, 4, 2).double(), kind(D, 4, 2, batch_first=True, bidirectional=True).double()
    for k in range(2):
        for mine, suffix in ((ours.ahead[k], ""), (ours.back[k], "_reverse")):
            mine.load_state_dict({n: getattr(theirs, f"{n[:-1]}{k}{suffix}") for n in mine.state_dict()})
    x, valid = ragged([7, 1, 4], D, junk=9.0)
    packed = nn.utils.rnn.pack_padded_sequence(x, valid.sum(1), batch_first=True, enforce_sorted=False)
    want = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True, total_length=7)[0]
    torch.testing.assert_close(ours(x, valid) * valid[..., None], want, atol=1e-12, rtol=0)


def test_batch_norm_is_the_librarys_on_the_valid_rows():
    torch.manual_seed(0)
    ours, theirs = MaskedBatchNorm(D).double(), nn.BatchNorm1d(D).double()
    x, valid = ragged([7, 1, 4], D, junk=1e6)
    x.requires_grad_()
    for _ in range(2):
        got, want = ours(x, valid), theirs(x[valid])
        torch.testing.assert_close(got[valid], want, atol=1e-12, rtol=0)
        assert (got[~valid] == 0).all()
    assert_same_gradients(got[valid], want, [x])
    torch.testing.assert_close(ours.eval()(x, valid)[valid], theirs.eval()(x[valid]), atol=1e-12, rtol=0)
    assert torch.equal(ours.running_var, theirs.running_var) and torch.equal(ours.running_mean, theirs.running_mean)


def test_a_single_row_is_normalised_by_the_running_statistics_in_training_too():
    norm, x = MaskedBatchNorm(D), torch.randn(1, D)
    for _ in range(3):
        norm(torch.randn(9, D) * 3 + 1)
    before = norm.running_mean.clone()
    trained = norm(x)
    assert torch.equal(trained, norm.eval()(x)) and torch.equal(norm.running_mean, before)


def test_number_of_weights():
    w = 2 * HIDDEN
    lstm = 2 * 4 * (D * HIDDEN + HIDDEN * HIDDEN + 2 * HIDDEN)
    gate = w * w * 3 + w + 2 * (w * w + w)
    fine = 2 * w + (2 * LONGEST * 7 + 7) + 2 * 7 + (7 * 2 + 2)
    assert sum(p.numel() for p in module().parameters()) == 3 * (lstm + gate) + 2 * fine
