"""One vector for a whole clip of one modality."""

from torch import Tensor, nn

from mgmr_lib.models.baselines.common import last_valid, masked_mean
from mgmr_lib.models.inputs import Sequence


def summarise(text: Tensor, valid: Tensor, summary: str) -> Tensor:
    """A text's vector: "mean" over its tokens, or "cls", the first one. (b,l,d), (b,l) bool -> (b,d).

    The first one is a summary where the encoder is trained with the network; a frozen encoder's says little.
    """
    return masked_mean(text, valid) if summary == "mean" else text[:, 0]


class LSTMVector(nn.Module):
    """An LSTM's state after the clip's last step, brought to a width: Sequence -> (b, d)."""

    def __init__(self, d_in: int, hidden: int, d: int):
        super().__init__()
        self.lstm = nn.LSTM(d_in, hidden, batch_first=True)
        self.out = nn.Linear(hidden, d)

    def forward(self, sequence: Sequence) -> Tensor:
        """sequence.x (b, l, d_in) -> (b, d)."""
        return self.out(last_valid(self.lstm(sequence.x)[0], sequence.valid))
