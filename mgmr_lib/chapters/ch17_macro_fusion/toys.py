"""Toy tasks of notebook 17: what a hub of k tokens can carry, and whose turn it is in a waterfall."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mgmr_lib.chapters.shared.fit import fit, unseen
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import EncoderLayer, Mixing

CARGO = ("cargo", "strangers")
ORDERS = ("points first", "points last")


def check_kind(kind: str, kinds: tuple[str, ...]) -> None:
    """ValueError unless the kind of a task is one of those that there are."""
    if kind not in kinds:
        raise ValueError(f"kind must be {' or '.join(map(repr, kinds))}, but is {kind!r}")


@dataclass(frozen=True)
class Drawn:
    """x {modality: (b,l_m,d_m)}, labels (b,numbers)."""

    x: dict[str, Tensor]
    labels: Tensor


@dataclass(frozen=True)
class CargoTask:
    """A face of `frames` frames with `each` random numbers per frame; all of them are asked for, behind the hub.

    kind "strangers": the numbers of another clip are asked for, so that nothing can be learned.
    """

    frames: int = 4
    each: int = 4
    kind: str = "cargo"

    def __post_init__(self):
        check_kind(self.kind, CARGO)

    @property
    def widths(self) -> dict[str, int]:
        return {"vision": self.frames + self.each}

    @property
    def numbers(self) -> int:
        return self.frames * self.each

    def draw(self, count: int, generator: torch.Generator) -> Drawn:
        """vision (b,frames,frames+each): the frame's own mark, and its numbers, of variance 1."""
        cargo = torch.randn(count, self.frames, self.each, generator=generator)
        marks = torch.eye(self.frames).expand(count, -1, -1)
        asked = cargo.roll(1, 0) if self.kind == "strangers" else cargo
        return Drawn({"vision": torch.cat([marks, cargo], dim=-1)}, asked.flatten(1))


@dataclass(frozen=True)
class PointerTask:
    """One modality points to an entry, another one holds a list of `entries` random numbers; the pointed one is asked
    for.

    kind "points first": the face points and the voice holds the list, in the waterfall's order; "points last": the
    other way round.
    """

    entries: int = 8
    kind: str = "points first"

    def __post_init__(self):
        check_kind(self.kind, ORDERS)

    @property
    def widths(self) -> dict[str, int]:
        return {"vision": self.entries + 1, "audio": self.entries + 1}

    @property
    def numbers(self) -> int:
        return 1

    def draw(self, count: int, generator: torch.Generator) -> Drawn:
        """pointer (b,1,entries+1), list (b,entries,entries+1): a mark for each entry, and its number."""
        at = torch.randint(self.entries, (count,), generator=generator)
        values = torch.randn(count, self.entries, 1, generator=generator)
        marks = torch.eye(self.entries)
        pointer = torch.cat([marks[at], torch.zeros(count, 1)], dim=-1)[:, None]
        listed = torch.cat([marks.expand(count, -1, -1), values], dim=-1)
        first, second = (pointer, listed) if self.kind == "points first" else (listed, pointer)
        return Drawn({"vision": first, "audio": second}, values[torch.arange(count), at])


class Waterfall(nn.Module):
    """Eqs. 4 to 6 without their surroundings: a hub beside one sequence after the other, a layer each; Drawn ->
    (b,numbers).

    last_only: the head sees the hub's last token alone. shared: one layer for all. start: "random" (N(0, 0.02), as in
    the library), "zero", or "positions" (zero and a position code for each token); learned: whether training moves the
    hub.
    """

    def __init__(
        self, task, hub: int = 4, d: int = 8, heads: int = 2, last_only: bool = False, shared: bool = False,
        start: str = "random", learned: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.embed = nn.ModuleDict({m: nn.Linear(width, d) for m, width in task.widths.items()})
        layers = {m: EncoderLayer(d, 2 * d, Mixing(heads=heads)) for m in task.widths}
        first = next(iter(layers.values()))
        self.layers = nn.ModuleDict({m: first if shared else layer for m, layer in layers.items()})
        tokens = torch.randn(hub, d)
        tokens = {"random": 0.02 * tokens, "zero": 0.0 * tokens, "positions": positions(hub, d, tokens)}[start]
        self.hub = nn.Parameter(tokens, requires_grad=learned)
        self.out = nn.Linear(d if last_only else hub * d, task.numbers)

    def hubs(self, drawn: Drawn) -> list[Tensor]:
        """The hub (b,k,d) after each sequence."""
        k, found = len(self.hub), [self.hub.expand(len(drawn.labels), -1, -1)]
        for m, layer in self.layers.items():
            x = torch.cat([found[-1], self.embed[m](drawn.x[m])], dim=1)
            found.append(layer(x, x.new_ones(x.shape[:2], dtype=torch.bool), first=k))
        return found[1:]

    def forward(self, drawn: Drawn) -> Tensor:
        return self.out(self.hubs(drawn)[-1].flatten(1)[:, -self.out.in_features :])


def train_numbers(model: nn.Module, task, seed: int = 0, steps: int = 300, batch: int = 64, lr: float = 1e-2) -> float:
    """Adam on fresh draws, squared error, the rate falling to zero; returns the explained share of variance on 500
    others."""

    def loss(generator: torch.Generator) -> Tensor:
        drawn = task.draw(batch, generator)
        return (model(drawn) - drawn.labels).square().mean()

    fit(model, loss, steps=steps, lr=lr, seed=seed)
    return explained(model, task, seed)


@torch.no_grad()
def explained(model: nn.Module, task, seed: int = 0) -> float:
    """Share of the labels' variance explained on 500 draws that no training of this seed saw."""
    drawn = task.draw(500, unseen(seed))
    return 1 - ((model(drawn) - drawn.labels).square().mean() / drawn.labels.square().mean()).item()


@torch.no_grad()
def luggage(model: Waterfall, task: PointerTask, seed: int = 0) -> dict[str, dict[str, float]]:
    """{stop: {content: share}}: what the best linear reader tells, on 500 clips, from the hub before the journey and
    after each sequence; it is fitted on 1500 others. Contents: the place pointed at, the list, the number asked for."""
    drawn = task.draw(2000, unseen(seed))
    pointer, listed = (
        drawn.x[m] for m in (("vision", "audio") if task.kind == "points first" else ("audio", "vision"))
    )
    contents = {"place": pointer[:, 0, :-1], "list": listed[..., -1], "number": drawn.labels}
    stops = dict(zip(("start", "face", "voice"), (model.hub.expand(2000, -1, -1), *model.hubs(drawn)), strict=True))
    return {s: {name: _told(hub.flatten(1), what) for name, what in contents.items()} for s, hub in stops.items()}


def _told(x: Tensor, y: Tensor, fitted: int = 1500) -> float:
    """Share of y's variance that a least-squares reader of x explains on rows that it was not fitted to; at least 0."""
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    y = (y - y[:fitted].mean(0)).double()
    weights = torch.linalg.solve(x[:fitted].T @ x[:fitted] + 1e-6 * torch.eye(x.shape[1]), x[:fitted].T @ y[:fitted])
    left = (y[fitted:] - x[fitted:] @ weights).square().sum() / y[fitted:].square().sum()
    return max(0.0, 1 - left.item())
