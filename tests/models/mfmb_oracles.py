"""Slow versions of what MFMB-Net is made of: one clip at a time, without padding, one number or one row at a time."""

import math

import torch


def slow_linear(layer, x):
    """A linear layer on rows: x (l, d_in) -> (l, d_out), entry by entry."""
    bias = layer.bias if layer.bias is not None else torch.zeros(layer.out_features, dtype=x.dtype)
    rows = [torch.stack([(w * row).sum() + b for w, b in zip(layer.weight, bias, strict=True)]) for row in x]
    return torch.stack(rows)


def slow_norm(layer, x):
    """LayerNorm on rows."""
    rows = []
    for row in x:
        mean = row.sum() / len(row)
        variance = ((row - mean) ** 2).sum() / len(row)
        rows.append((row - mean) / torch.sqrt(variance + layer.eps) * layer.weight + layer.bias)
    return torch.stack(rows)


def slow_ffn(layers, x):
    """Two linear layers with max(0, .) between them; dropout is off."""
    linear = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    return slow_linear(linear[1], slow_linear(linear[0], x).clamp(min=0))


def softmax_mean(scores, values):
    """Sum of values weighted by exp(score), over the sum of the weights."""
    weights = [math.e**s for s in scores]
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def slow_attention(layer, x, memory, sees=lambda i, j: True):
    """Multi-head attention: x (l, d) asks memory (k, d); step i sees step j where sees(i, j)."""
    d = x.shape[1]
    q, kv = slow_linear(layer.query, x), slow_linear(layer.key_value, memory)
    k, v, width = kv[:, :d], kv[:, d:], d // layer.heads
    rows = []
    for i in range(len(x)):
        seen, parts = [j for j in range(len(memory)) if sees(i, j)], []
        for h in range(layer.heads):
            one = slice(h * width, (h + 1) * width)
            scores = [(q[i, one] * k[j, one]).sum() / math.sqrt(width) for j in seen]
            parts.append(softmax_mean(scores, [v[j, one] for j in seen]))
        rows.append(torch.cat(parts))
    return slow_linear(layer.out, torch.stack(rows))


def slow_encoder_layer(layer, x, memory=None, sees=lambda i, j: True):
    """A pre-norm Transformer layer on x (l, d), all of its rows."""
    n = slow_norm(layer.norm, x)
    x = x + slow_attention(layer.mix, n, n if memory is None else slow_norm(layer.norm, memory), sees)
    return x + slow_ffn(layer.feed_forward, slow_norm(layer.norm_between, x))


def ragged(lengths, d, seed=0, junk=None):
    """Clips of these lengths as one padded tensor: x (b, l, d) float64, valid (b, l). junk: what stands in the
    padding."""
    g = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    x = torch.randn(len(lengths), longest, d, generator=g, dtype=torch.float64)
    valid = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
    return x.masked_fill(~valid[..., None], 0.0 if junk is None else junk), valid


def assert_same_gradients(got, want, leaves):
    """The gradients of the sums of squares of two values, with respect to every leaf."""
    grads = [torch.autograd.grad((y * y).sum(), leaves, retain_graph=True, allow_unused=True) for y in (got, want)]
    for a, b in zip(*grads, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)
