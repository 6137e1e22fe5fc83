"""Count multiply-adds, and a GPU that is only simulated, for learning how to time one without having it."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode


def fused_attention_flops(q, k, *args, out_shape=None, **kwargs) -> int:
    """Scores and mixture of softmax(Q K') V, two operations a multiply-add: shapes (b,h,l_q,d) and (b,h,l_k,d)."""
    b, h, l_q, d = q
    return 4 * b * h * l_q * k[2] * d


def multiply_adds(fn: Callable[[], object]) -> int:
    """Multiply-adds of all matrix products in fn(), those inside a fused attention kernel included, which torch's own
    counter leaves out on a CPU. What a scan and other entry-by-entry operations do is not counted; it is linear in the
    length. Attention layers in eval mode go without torch's fast path, which the counter does not see into either."""
    found = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused_attention_flops}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False, custom_mapping=found) as counter:
            fn()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    return counter.get_total_flops() // 2


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
