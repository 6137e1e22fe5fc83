"""Count multiply-adds, and a GPU that is only simulated, for learning how to time one without having it."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from mgmr_lib.ssm.blocks import MambaBlock


def fused_attention_flops(q, k, *args, out_shape=None, **kwargs) -> int:
    """Scores and mixture of softmax(Q K') V, two operations a multiply-add: shapes (b,h,l_q,d) and (b,h,l_k,d)."""
    b, h, l_q, d = q
    return 4 * b * h * l_q * k[2] * d


def fused_lstm_flops(x, from_input, from_state, *args, out_shape=None, **kwargs) -> int:
    """Four gates of one LSTM layer in one direction, in one call of oneDNN: shapes (l,b,d), (4h,d) and (4h,h)."""
    return 2 * x[0] * x[1] * (from_input.numel() + from_state.numel())


def convolution_flops(x, weight, bias, stride, padding, dilation, transposed, shift, groups, out_shape=None) -> int:
    """Torch's own formula; 0 for a convolution channel by channel, which makes no matrix product."""
    return 0 if groups > 1 else conv_flop_count(x, weight, out_shape, transposed)


FORMULAS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused_attention_flops,
    torch.ops.aten.mkldnn_rnn_layer: fused_lstm_flops,
    torch.ops.aten.convolution: convolution_flops,
}


def multiply_adds(fn: Callable[[], object], scans_of: torch.nn.Module | None = None) -> int:
    """Multiply-adds of all matrix products in fn(), a forward pass, those inside a fused attention kernel and a fused
    LSTM included, which torch's own counter leaves out on a CPU. Operations entry by entry and channel by channel, as
    in a scan and the short convolution before it, are not counted, whichever backend runs them; both are linear in the
    length. scans_of: a network for whose Mamba blocks these are added, by hand. Attention layers in eval mode go
    without torch's fast path, which the counter does not see into either."""
    by_hand, hooks = [], []
    for block in [] if scans_of is None else [m for m in scans_of.modules() if isinstance(m, MambaBlock)]:
        hooks.append(block.register_forward_hook(lambda block, args, out: by_hand.append(channelwise(block, args[0]))))
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
            fn()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for hook in hooks:
            hook.remove()
    return counter.get_total_flops() // 2 + sum(by_hand)


def channelwise(block: MambaBlock, x: torch.Tensor) -> int:
    """Multiply-adds of a block's convolution and scan on x (b,l,d): its taps, and three for each of e n states."""
    return x.shape[0] * x.shape[1] * block.d_inner * (block.d_conv + 3 * block.d_state)


class SimulatedGPU:
    """A host with a clock, and a queue of work that runs behind its back.

    run(seconds) hands work over and returns after `handing` seconds; the very first run also takes `first` seconds
    more, for preparation. wait() returns when the queue is empty. now: the host's clock. pending: work that somebody
    left in the queue.
    """

    def __init__(self, first: float = 4.0, handing: float = 0.0625, pending: float = 0.0):
        self.now, self.first, self.handing, self.free = 0.0, first, handing, pending
        self.settings = (first, handing, pending)

    def run(self, seconds: float) -> None:
        self.now += self.handing
        self.free = max(self.free, self.now) + seconds + self.first
        self.first = 0.0

    def wait(self) -> None:
        self.now = max(self.now, self.free)

    def __repr__(self) -> str:
        return "SimulatedGPU(first={}, handing={}, pending={})".format(*self.settings)
