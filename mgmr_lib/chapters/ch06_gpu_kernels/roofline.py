"""The roofline: a bound on the time of a computation from what it moves and computes and what a device is sold to do.

A model from data sheets, never a measurement: real kernels reach a part of it. Figures: the vendor's data sheets (T4,
A100 80 GB SXM, H100 SXM; float32 without tensor cores; tensor cores in half precision, no zeros skipped) and the CUDA
programming guide's 16 special-function results a clock and multiprocessor. The A100's memories: Choquette and others,
IEEE Micro 41(2), 2021.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """What a data sheet says. bandwidth: bytes/s of the main memory; flops: float32 operations/s; exps:
    exponentials/s; tensor: operations/s of the tensor cores in 16 bits."""

    name: str
    bandwidth: float
    flops: float
    exps: float
    tensor: float = 0.0

    @property
    def balance(self) -> float:
        """Operations that it could do while one byte arrives."""
        return self.flops / self.bandwidth


def _gpu(name: str, gigabytes: float, multiprocessors: int, lanes: int, gigahertz: float, tensor: float) -> Device:
    """flops counts a fused multiply-add as two; tensor: 10^12 operations/s."""
    clocks = multiprocessors * gigahertz * 1e9
    return Device(name, gigabytes * 1e9, 2 * lanes * clocks, 16 * clocks, tensor * 1e12)


DEVICES = (
    _gpu("T4", 320, 40, 64, 1.59, 65),
    _gpu("A100", 2039, 108, 64, 1.41, 312),
    _gpu("H100", 3350, 132, 128, 1.98, 989),
)


@dataclass(frozen=True)
class Memory:
    """One level of a GPU's memories, all its parts together. bytes: its size; bandwidth: bytes/s that it can serve."""

    name: str
    bytes: float
    bandwidth: float


A100_CLOCK = 1.41e9
A100_MEMORIES = (  # 108 multiprocessors; from the arithmetic units outwards
    Memory("registers", 108 * 256 * 2**10, 108 * 64 * 4 * 4 * A100_CLOCK),  # 64 lanes, each 3 float32 in and 1 out
    Memory("shared memory and L1", 108 * 192 * 2**10, 108 * 128 * A100_CLOCK),  # 32 banks of 4 bytes a clock
    Memory("L2 cache", 40 * 2**20, 5120 * A100_CLOCK),
    Memory("HBM, the slow memory", 80e9, 2039e9),
)


@dataclass(frozen=True)
class Cost:
    """What a computation needs: bytes moved, float operations, and how many of them are exponentials."""

    name: str
    bytes: float
    flops: float
    exps: float = 0.0

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.flops / self.bytes


def attainable(intensity: float, flops: float, bandwidth: float) -> float:
    """Operations/s at this intensity (operations a byte): the lower one of the two roofs."""
    return min(flops, intensity * bandwidth)


def modelled_seconds(cost: Cost, device: Device) -> float:
    """The bound: the longest of moving, computing and exponentials, as if they overlapped perfectly."""
    return max(cost.bytes / device.bandwidth, cost.flops / device.flops, cost.exps / device.exps)


def scan_cost(name: str, numbers: float, b: int, e: int, length: int, n: int, bytes_each: int = 4) -> Cost:
    """The cost of a selective scan's forward that moves `numbers` numbers.

    For each of the b e l n states: the product delta A, the decay of h, the input x B and its sum, the product with C
    and its sum make 6 operations, and one exponential.
    """
    states = b * e * length * n
    return Cost(name, numbers * bytes_each, 7.0 * states, float(states))


def matmul_cost(name: str, m: int, passes: int = 1, bytes_each: int = 4) -> Cost:
    """The product of two (m,m) matrices whose operands and result pass through slow memory `passes` times."""
    return Cost(name, passes * 3 * m * m * bytes_each, 2.0 * m**3)
