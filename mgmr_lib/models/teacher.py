"""What a network learns from beside its labels, where that changes as it learns: pseudo-labels, a memory of clips."""

from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.models.output import Output


class Teacher(nn.Module):
    """State that outlives a step, held by the trainer and not by the network: a finished run needs none of it.

    All of it lies in buffers of numbers; those that are persistent are saved with every checkpoint, so that a resumed
    run learns from the same. What is kept of a clip lies at the clip's row (`Batch.rows`): processes that share a batch
    then change different entries, and the sum of their changes is what one process would have done.

    This one keeps nothing and teaches nothing: it serves the networks that have no other.
    """

    def __init__(self, config, labels: Tensor):
        """config: the network's own; labels: (n,), the training clips'."""
        super().__init__()

    def start_epoch(self, epoch: int) -> None:
        """Before an epoch (counted from 0): clear what lives within one."""

    def forward(self, output: Output, batch: Batch) -> dict[str, Tensor] | None:
        """{name: scalar}: terms of the loss, weighted, each a mean over the batch's clips, those of the sides among
        them; the same names in every batch. None: the sides are compared with the labels."""
        return None

    def update(self, output: Output, batch: Batch) -> None:
        """After the optimiser's step, without a graph: remember what this batch showed."""
