"""Who reads the long clips: both networks at small sizes, each beside the twin whose layers mix steps the other way,
and a single encoder layer in both makes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from mgmr_lib.data.batch import Batch
from mgmr_lib.experiments.long_clips import WIDTHS, WORDS
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import Attention, EncoderLayer, Mixing
from mgmr_lib.models.inputs import Inputs, Network
from mgmr_lib.models.output import Output
from mgmr_lib.models.registry import entry
from mgmr_lib.ssm import MambaBlock
from mgmr_lib.training.config import make_config

WIDTH, HEADS = 16, 2
SCAN: dict[str, Any] = {"d_state": 8, "expand": 1}
ATTENTION_UP_TO = 4000  # frames: beyond, MFMB-Net alone would take most of the time that everything else needs


@dataclass(frozen=True)
class Contender:
    """build: a fresh network. up_to: the longest clips that it is trained with (None: all; 0: none, only its costs
    are measured)."""

    label: str
    build: Callable[[], nn.Module]
    up_to: int | None = None


class CausalAttention(nn.Module):
    """Attention in the place of a Mamba block: a step sees itself and earlier ones. A partner is added, through a
    linear map, to what the steps ask and say."""

    def __init__(self, partner: bool):
        super().__init__()
        self.attend = Attention(WIDTH, HEADS, causal=0)
        self.partner = nn.Linear(WIDTH, WIDTH, bias=False) if partner else None

    def forward(self, x: Tensor, valid: Tensor, partner: Tensor | None = None) -> Tensor:
        """x (b,l,d), valid (b,l), partner (b,l,d) -> (b,l,d), zero in the padding."""
        if self.partner is not None:
            x = x + self.partner(partner)
        return self.attend(x, valid).masked_fill(~valid[..., None], 0.0)


class Encoder(Network):
    """One encoder layer over the voice, its mean over time, a linear head. table: attention writes its table of shares
    out, as before there were fused kernels."""

    def __init__(self, mixing: Mixing, table: bool = False):
        super().__init__()
        self.inputs = Inputs(WIDTHS)
        self.project = nn.Linear(WIDTHS["audio"], WIDTH)
        self.layer = EncoderLayer(WIDTH, 2 * WIDTH, mixing)
        self.head = nn.Linear(WIDTH, 1)
        self.kernels = [SDPBackend.MATH] if table else [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output of predictions (b)."""
        voice = self.inputs.one(batch, "audio")
        x = self.project(voice.x)
        with sdpa_kernel(self.kernels):
            x = self.layer(x + positions(x.shape[1], WIDTH, x), voice.valid)
        mean = x.masked_fill(~voice.valid[..., None], 0.0).sum(1) / voice.valid.sum(1, keepdim=True)
        return Output(self.head(mean).squeeze(-1))


def mgmr(attention: bool = False) -> nn.Module:
    """MGMR-Net. attention: causal attention in the place of each of its Mamba blocks; its LSTMs stay."""
    config = make_config("mgmr", "fast", d_model=WIDTH, dropout=0.0, **SCAN)
    network = entry("mgmr").build(config.network, Inputs(WIDTHS))
    layers = [m for m in network.modules() if isinstance(getattr(m, "mixer", None), MambaBlock)]
    for layer in layers if attention else ():
        assert isinstance(layer.mixer, MambaBlock)
        layer.mixer = CausalAttention(partner=layer.mixer.partner_proj is not None)
    return network


def mfmb(encoder: str) -> nn.Module:
    """MFMB-Net or its Mamba twin, as regression and without reconstruction: nothing is missing here."""
    sizes: dict[str, Any] = {
        "d_model": WIDTH,
        "heads": HEADS,
        "ffn": 2 * WIDTH,
        "d_lstm": WIDTH // 2,
        "d_mix": WIDTH,
        "d_fine": 4,
    }
    own: dict[str, Any] = {
        "classes": 1,
        "dropout": 0.0,
        "text_length": WORDS,
        "use_reconstruction": False,
        "encoder": encoder,
    }
    config = make_config("mfmb", "fast", **sizes, **SCAN, **own)
    return entry("mfmb").build(config.network, Inputs(WIDTHS))


CONTENDERS = {
    "mgmr": Contender("MGMR-Net", mgmr),
    "mgmr_attention": Contender("MGMR-Net, attention twin", lambda: mgmr(attention=True), ATTENTION_UP_TO),
    "mfmb": Contender("MFMB-Net", lambda: mfmb("transformer"), ATTENTION_UP_TO),
    "mfmb_mamba": Contender("MFMB-Net, Mamba twin", lambda: mfmb("mamba")),
    "attention": Contender("one attention layer", lambda: Encoder(Mixing(heads=HEADS)), ATTENTION_UP_TO),
    "mamba": Contender("one Bi-Mamba layer", lambda: Encoder(Mixing("mamba", HEADS, **SCAN))),
    "table": Contender(
        "one attention layer, its table written out", lambda: Encoder(Mixing(heads=HEADS), table=True), up_to=0
    ),
}
