"""Full or half precision: weights, their gradients, losses and the optimiser stay float32 in both."""

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

# No "fp16": its smallest gradients vanish unless the loss is scaled by a factor that changes as training goes on, which
# every checkpoint would have to hold and every step to try; bfloat16 has float32's range and needs none.
ACCELERATES = {"fp32": "no", "bf16": "bf16"}


def accelerator_for(precision: str, given: Accelerator | None = None) -> Accelerator:
    """An Accelerator for trainings in this precision, whatever this process trained before: the given one if it is.

    The configuration decides, not what `accelerate launch` was told, so that a run's name says what it is.
    """
    wanted = ACCELERATES[precision]
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted:
        AcceleratorState._reset_state()  # one for the process: accelerate has no public way to change its precision
        given = None
    return given if given is not None and wanted == "no" else Accelerator(mixed_precision=wanted)


def in_full_precision(model: nn.Module) -> None:
    """Take off what `Accelerator.prepare` put around the network's forward (it cannot take it off a bound method)."""
    if vars(model).pop("_original_forward", None) is not None:
        vars(model).pop("forward", None)
