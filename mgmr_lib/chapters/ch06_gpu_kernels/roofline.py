"""The roofline: a bound on the time of a computation from what it moves and computes and what a device is sold to do.

A model from data sheets, never a measurement: real kernels reach a part of it. Figures: the vendor's data sheets (T4,
A100 80 GB SXM, H100 SXM; float32 without tensor cores) and the CUDA programming guide's 16 special-function results a
clock and multiprocessor.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """What a data sheet says. bandwidth: bytes/s of the main memory; flops: float32 operations/s; exps:
    exponentials/s."""

    name: str
    bandwidth: float
    flops: float
    exps: float

    @property
    def balance(self) -> float:
        """Operations that it could do while one byte arrives."""
        return self.flops / self.bandwidth


def _gpu(name: str, gigabytes: float, multiprocessors: int, lanes: int, gigahertz: float) -> Device:
    """flops counts a fused multiply-add as two."""
    clocks = multiprocessors * gigahertz * 1e9
    return Device(name, gigabytes * 1e9, 2 * lanes * clocks, 16 * clocks)


DEVICES = (_gpu("T4", 320, 40, 64, 1.59), _gpu("A100", 2039, 108, 64, 1.41), _gpu("H100", 3350, 132, 128, 1.98))


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
