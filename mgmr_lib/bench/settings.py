"""What a benchmark run measures: shapes, lengths, rounds."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Settings:
    """Shapes are (b, l, e, n): batch, length, inner width, state size; those of the SSD scan (b, l, h, p, n), with h
    heads of p channels.

    patience_s: a contender that takes longer a call runs once, and not at larger sizes. room_bytes: a layer that needs
    more memory is left out.
    """

    scan_shapes: tuple[tuple[int, int, int, int], ...]
    memory_shape: tuple[int, int, int, int]
    lengths: tuple[int, ...]
    layer_batch: int
    layer_width: int
    cuda_shape: tuple[int, int, int, int]
    ssd_shapes: tuple[tuple[int, int, int, int, int], ...]
    rounds: int
    patience_s: float
    room_bytes: float = 4e9

    def as_dict(self) -> dict:
        return asdict(self)


FULL = Settings(
    scan_shapes=((32, 150, 128, 16), (24, 500, 128, 12)),
    memory_shape=(24, 500, 128, 12),
    lengths=(125, 250, 500, 1000, 2000, 4000),
    layer_batch=8,
    layer_width=64,
    cuda_shape=(32, 2048, 1024, 16),
    ssd_shapes=(
        (8, 1024, 8, 64, 16),
        (8, 1024, 8, 64, 128),
        (8, 256, 8, 64, 64),
        (8, 512, 8, 64, 64),
        (8, 2048, 8, 64, 64),
        (8, 1024, 8, 64, 64),
    ),
    rounds=7,
    patience_s=8.0,
)
QUICK = Settings(
    scan_shapes=((4, 40, 32, 8), (8, 80, 32, 8)),
    memory_shape=(8, 80, 32, 8),
    lengths=(32, 64, 128),
    layer_batch=2,
    layer_width=32,
    cuda_shape=(4, 512, 256, 16),
    ssd_shapes=((2, 128, 2, 16, 32), (2, 128, 2, 16, 16), (2, 256, 2, 16, 16)),
    rounds=3,
    patience_s=2.0,
)
