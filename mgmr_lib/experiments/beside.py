"""What stands beside each row of a table, so that nobody takes a difference for the architecture's alone: what a
network was trained on, how large it is, how many trials chose its settings, and where its trainings were best."""

from collections.abc import Iterable
from dataclasses import dataclass

from mgmr_lib.experiments.ledger import by_name
from mgmr_lib.experiments.plan import VARIANTS
from mgmr_lib.training.tuned import read_tuning

HEADS = ("objective", "weights", "trials", "best epoch", "best in the last")
NOTE = (
    "Beside each row: trials of an equal search for its settings (0: none was made; a changed network takes those of "
    "the whole one), the epochs after which the valid error was lowest, and in how many trainings that was the last "
    "epoch allowed."
)


@dataclass(frozen=True)
class Beside:
    """Of all trainings of one name: objective ("mae", "mse" or "classes"), weights (how many numbers are trained or
    frozen), trials, best (each training's best epoch, from 1), allowed (epochs); searched: the label of the network
    that the trials were made with, "" where it is this one."""

    objective: str
    weights: int
    trials: int
    best: tuple[int, ...]
    allowed: int
    searched: str = ""

    @property
    def last(self) -> int:
        """Trainings that were best in the last epoch allowed: more epochs might have helped."""
        return sum(b == self.allowed for b in self.best)

    def cells(self) -> tuple[str, ...]:
        """One cell for each of HEADS."""
        low, high = min(self.best), max(self.best)
        epochs = f"{low}" if low == high else f"{low} to {high}"
        weights = f"{self.weights / 1e6:.2f} M" if self.weights >= 1e5 else f"{self.weights:,}"
        trials = f"{self.trials} ({self.searched}'s)" if self.searched else str(self.trials)
        return (self.objective, weights, trials, f"{epochs} of {self.allowed}",
                f"{self.last} of {len(self.best)}")  # fmt: skip

    def row(self) -> dict:
        """The same as columns of a CSV file."""
        return {
            "objective": self.objective,
            "weights": self.weights,
            "trials": self.trials,
            "best_epoch_first": min(self.best),
            "best_epoch_latest": max(self.best),
            "epochs": self.allowed,
            "best_in_last": self.last,
        }


def beside(records: Iterable[dict]) -> dict[str, Beside]:
    """{name: what stands beside its row}, of the names that were trained."""
    groups = by_name(r for r in records if r.get("config") is not None)
    return {name: _of(name, runs) for name, runs in groups.items()}


def cells(found: Beside | None) -> tuple[str, ...]:
    """One cell for each of HEADS; dashes where nothing was trained."""
    return found.cells() if found else ("–",) * len(HEADS)


def _of(name: str, runs: list[dict]) -> Beside:
    first = runs[0]
    allowed = max(r["config"].get("epochs", r["epochs"]) for r in runs)
    best = tuple(r["best_epoch"] + 1 for r in runs)
    trials, searched = _trials(name, first)
    return Beside(objective(first["config"]), first["parameters"], trials, best, allowed, searched)


def objective(config: dict) -> str:
    """In one word: "classes", "mse" or "mae"; what a network compares beside its prediction is not named."""
    network = config.get("network") or {}
    return "classes" if network.get("classes", 1) > 1 else config.get("objective") or network.get("task", "mae")


def _trials(name: str, record: dict) -> tuple[int, str]:
    """How many trials chose the settings, and with which network if it is another one. No profile's but "tuned" were
    searched for, and never those of a published code's reading, which keeps the laptop profile's."""
    networks = read_tuning()["networks"] if record["profile"] == "tuned" else {}
    model = VARIANTS[name].model if name in VARIANTS else name
    if model not in networks or (record["config"].get("network") or {}).get("reading") == "code":
        return 0, ""
    return len(networks[model]["trials"]), "" if model == name else VARIANTS[model].label
