"""MGMR-Net's sizes and switches."""

from dataclasses import dataclass

from mgmr_lib.errors import CourseError
from mgmr_lib.models.generations import GENERATIONS, check_state
from mgmr_lib.settings import setting, validate

COLLABORATIONS = ("exchange", "shared")
GATES = ("scalar", "channel")
LAYERS = ("simplified", *GENERATIONS)


@dataclass(frozen=True)
class MGMRConfig:
    """State, expansion and depths are the paper's Table 2 for MOSI; the width and the kernels, which it does not give,
    are ours. use_alignment, use_fusion, use_reconstruction switch S-1, S-2 and Recon off (the paper's Table 6)."""

    d_model: int = setting(128, "width of every layer", low=1)
    d_state: int = setting(12, "state size of each Mamba block", low=1)
    expand: int = setting(4, "inner width of a Mamba block, in multiples of --d-model", low=1)
    d_conv: int = setting(4, "kernel of a Mamba block's causal convolution", low=1)
    depth_align: int = setting(1, "layers of stage 1 (alignment) and of the reconstruction", low=1)
    depth_fuse: int = setting(1, "layers of stage 2 (fusion)", low=1)
    kernel_text: int = setting(1, "kernel of the convolution over text", low=1, odd=True)
    kernel_audio: int = setting(5, "kernel of the convolution over audio", low=1, odd=True)
    kernel_vision: int = setting(3, "kernel of the convolution over vision", low=1, odd=True)
    dropout: float = setting(0.1, "share dropped of what the layers give", low=0, below=1)
    input_dropout: float = setting(0.0, "share dropped of the features of all three modalities", low=0, below=1)
    layer: str = setting(
        "selective",
        "Mamba's selective block, the layer as printed in the paper, or the blocks of Mamba-2 and Mamba-3",
        choices=LAYERS,
    )
    collaboration: str = setting(
        "exchange", "what a pair of layers shares: A and its partner's B, C, delta, or A alone", choices=COLLABORATIONS
    )
    gate: str = setting("scalar", "reconstruction gate: one number a step, or one a channel", choices=GATES)
    bidirectional: bool = setting(False, "let the reconstruction look ahead in time")
    use_alignment: bool = setting(True, "stage 1, text-centric alignment (false: w/o S-1)")
    use_fusion: bool = setting(True, "stage 2, interleaved fusion (false: w/o S-2)")
    use_reconstruction: bool = setting(True, "reconstruction of what is missing (false: w/o Recon)")

    def __post_init__(self):
        validate(self)
        if self.bidirectional and self.layer == "simplified":
            raise CourseError(
                "--bidirectional true needs --layer selective, mamba2 or mamba3: there is no simplified layer in two "
                "directions"
            )
        if self.layer == "mamba3" and self.collaboration == "shared":
            raise CourseError(
                "--layer mamba3 has no matrix A that --collaboration shared could share: use --collaboration exchange"
            )
        check_state(self.layer, self.d_state)
