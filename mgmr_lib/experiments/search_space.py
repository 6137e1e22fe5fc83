"""What `experiment tune` may choose for a network, the same for all of them: learning rate, weight decay, dropout,
width, pooling and objective.

A network starts from the laptop profile without what was chosen there for MGMR-Net or MFMB-Net alone (plan.CARE).
Trial 0 is that start itself. The others are points of a scrambled Sobol sequence: the same seed gives the same points,
for every network the same ones, whoever computes them and in whatever order.
"""

import dataclasses
from typing import Any

from scipy.stats import qmc

from mgmr_lib.experiments.plan import VARIANTS
from mgmr_lib.settings import fields_of
from mgmr_lib.training.config import TrainConfig, make_config

RATE, DECAY, DROPOUT = (3e-4, 5e-3), (1e-3, 1e-1), (0.0, 0.5)  # the first two on a logarithmic scale
WIDTHS = (0.5, 1.0, 2.0)  # times a network's own sizes
POOLS = ((32, 40), (16, 20), (8, 10))  # frames of voice and of face that are averaged into one step
NUMBERS = ("mae", "mse")
CLASSES = "classes"  # MFMB-Net's own objective (Eq. 17), beside both
AXES = ("lr", "weight_decay", "dropout", "width", "pool", "objective")
# What grows and shrinks with a network's width; which of them a network has differs.
SCALED = (
    "d_model", "ffn", "ffn_rebuild", "d_text", "d_audio", "d_vision", "d_fused", "d_head", "d_lstm", "d_mix",
    "d_estimator", "lstm_audio", "lstm_vision", "head_fused", "head_text", "head_audio", "head_vision",
)  # fmt: skip


def start(model: str) -> dict[str, Any]:
    """Settings beside the laptop profile's, from which the search begins."""
    return dict(VARIANTS[f"{model}_plain"].settings) if f"{model}_plain" in VARIANTS else {}


def choices(model: str) -> dict[str, tuple]:
    """The categories of the axes that have some. Classes are offered to MFMB-Net alone: its rivals' classes
    (models/classes.py) came after the recorded search, and experiment "objectives" has them."""
    objectives = (CLASSES, *NUMBERS) if model == "mfmb" else NUMBERS
    return {"width": WIDTHS, "pool": tuple(pool for pool, _ in POOLS), "objective": objectives}


def points(model: str, trials: int, seed: int) -> list[dict[str, Any]]:
    """`trials` points {axis: value}, without the start: `trials` - 1 of the sequence, numbers to three digits."""
    if trials < 2:
        return []
    power = (trials - 2).bit_length()  # Sobol points are balanced in powers of two
    drawn = qmc.Sobol(len(AXES), scramble=True, rng=seed).random(2**power)[: trials - 1]
    return [_point(dict(zip(AXES, row, strict=True)), choices(model)) for row in drawn]


def _point(unit: dict[str, float], categories: dict[str, tuple]) -> dict[str, Any]:
    found: dict[str, Any] = {axis: values[int(unit[axis] * len(values))] for axis, values in categories.items()}
    for axis, (low, high) in (("lr", RATE), ("weight_decay", DECAY)):
        found[axis] = float(f"{low * (high / low) ** unit[axis]:.3g}")
    found["dropout"] = float(f"{DROPOUT[0] + (DROPOUT[1] - DROPOUT[0]) * unit['dropout']:.3g}")
    return {axis: found[axis] for axis in AXES}


def settings_at(model: str, point: dict[str, Any] | None) -> dict[str, Any]:
    """What a point sets beside the laptop profile (None: the start). An axis that a network lacks (its dropout's
    name) changes nothing."""
    found = start(model)
    if point is None:
        return found
    config = make_config(model, **found)
    found |= {"lr": point["lr"], "weight_decay": point["weight_decay"]}
    found |= {"pool_audio": point["pool"], "pool_vision": dict(POOLS)[point["pool"]]}
    found |= _widths(config, point["width"])
    if "dropout" in fields_of(type(config.network)):
        found["dropout"] = point["dropout"]
    if point["objective"] == CLASSES:
        found |= {"classes": 7, "class_targets": "two-hot"}
    else:
        found["objective"] = point["objective"]
    return found


def _widths(config: TrainConfig, factor: float) -> dict[str, int]:
    """Every size that goes with the width, scaled; what heads share stays a multiple of their number."""
    network = dataclasses.asdict(config.network)
    units = {"d_model": network.get("heads", 1)}
    sizes = {name: (network[name], units.get(name, 1)) for name in SCALED if name in network}
    return {name: max(1, round(size * factor / unit)) * unit for name, (size, unit) in sizes.items()}
