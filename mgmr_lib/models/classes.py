"""A number or classes: the choice that MFMB-Net (its Eq. 17), the fully connected baselines and the LSTMs have."""

from dataclasses import dataclass

from mgmr_lib.settings import setting

TARGETS = ("one-hot", "two-hot")


@dataclass(frozen=True)
class Classes:
    """The settings of a head that may classify."""

    classes: int = setting(1, "1: regression; more: logits and cross-entropy (MFMB-Net's Eq. 17)", low=1)
    class_step: float = setting(1.0, "distance between neighbouring classes on the label's scale", above=0)
    class_targets: str = setting(
        "one-hot",
        "Eq. 17's y: the nearest class (the paper), or the two that a label lies between (ours)",
        choices=TARGETS,
    )
