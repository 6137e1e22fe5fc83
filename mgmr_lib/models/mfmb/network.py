"""MFMB-Net, whole: align (hybrid attention) -> fuse at large (macro) and in detail (micro) -> predict; and reconstruct.

Paper: "A Multi-Focus-Driven Multi-Branch Network for Robust Multimodal Sentiment Analysis", AAAI 2025.
MFMB_EQUATIONS.md lists where each of its equations (1) to (19) is, and which test compares it with a slow version.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.errors import CourseError
from mgmr_lib.models.encoder_layer import ENCODERS, Mixing
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mfmb import published_code as mfmb_code
from mgmr_lib.models.mfmb.hybrid_attention import HybridAttention
from mgmr_lib.models.mfmb.macro_fusion import MacroFusion
from mgmr_lib.models.mfmb.micro_fusion import GATES, MicroFusion
from mgmr_lib.models.mfmb.reconstruction import ReconstructionBranch
from mgmr_lib.models.output import Output, Reconstruction, expected_value

READINGS = ("paper", "code")
TARGETS = ("one-hot", "two-hot")


@dataclass(frozen=True)
class MFMBConfig:
    """Sizes and switches. The paper prints no sizes: the first group is ours, the `code_` group the published code's.

    reading: "paper" (its equations) or "code" (the published architecture, see mfmb_code.py). encoder: "transformer",
    or "mamba" for the twin, in which Bi-Mamba of the same width replaces every Transformer encoder (d_state, expand and
    d_conv are its sizes). use_macro, use_micro, use_reconstruction switch F-1, F-2 and Recon off (the paper's Table 5).
    input_dropout drops features of the encoded text, dropout what the layers give.
    gate: Eq. 9 "printed" or with a "sigmoid". classes: 1 regresses, more give logits (Eq. 17), class_step apart;
    class_targets: the y_i of Eq. 17, the nearest class ("one-hot") or the two that a label lies between ("two-hot").
    text_length: the text's longest, where a linear layer runs over time. hub: k of Eqs. 4 to 7. d_lstm: each way, Eq.
    8. d_mix, d_fine: widths behind W1 and W2 of Eq. 13. ffn, ffn_rebuild: hidden widths of the encoders' and Eq. 15's
    FFN. code_steps_audio, code_steps_vision: the corpus's longest, before pooling. code_steps: what they are brought
    to.
    """

    reading: str = "paper"
    encoder: str = "transformer"
    use_macro: bool = True
    use_micro: bool = True
    use_reconstruction: bool = True
    classes: int = 1
    class_step: float = 1.0
    class_targets: str = "one-hot"
    dropout: float = 0.1
    input_dropout: float = 0.0
    d_state: int = 16
    expand: int = 2
    d_conv: int = 4
    text_length: int = 50
    d_model: int = 64
    heads: int = 4
    ffn: int = 128
    hub: int = 4
    gate: str = "printed"
    d_lstm: int = 32
    d_mix: int = 64
    d_fine: int = 4
    ffn_rebuild: int = 128
    code_d_model: int = 30
    code_heads: int = 6
    code_depth: int = 3
    code_depth_cross: int = 3
    code_steps_audio: int = 375
    code_steps_vision: int = 500
    code_steps: int = 50
    code_macro_heads: int = 10
    code_macro_depth: int = 4
    code_gru_text: int = 36
    code_gru_audio: int = 20
    code_gru_vision: int = 48
    code_gru_depth: int = 3
    code_common: int = 64
    code_head: int = 128
    code_rebuild_heads: int = 25

    def __post_init__(self):
        choices = {"reading": READINGS, "encoder": ENCODERS, "gate": GATES, "class_targets": TARGETS}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise CourseError(
                    f"--{name.replace('_', '-')} must be {' or '.join(known)}, not {getattr(self, name)!r}"
                )
        for field in dataclasses.fields(self):
            value, option = getattr(self, field.name), "--" + field.name.replace("_", "-")
            if field.type is int and value < 1:
                raise CourseError(f"{option} must be at least 1, and is {value}")
            if "dropout" in field.name and not 0 <= value < 1:
                raise CourseError(f"{option} must be at least 0 and below 1, and is {value}")
        if self.class_step <= 0:
            raise CourseError(f"--class-step must be positive, and is {self.class_step}")
        if not (self.use_macro or self.use_micro):
            raise CourseError(
                "--use-macro false and --use-micro false together leave nothing to predict from: keep one stream"
            )
        self._check_heads()

    def _check_heads(self) -> None:
        code = self.code_d_model
        pairs = {"paper": [("heads", self.d_model, "d_model")],
                 "code": [("code_heads", code, "code_d_model"), ("code_macro_heads", 3 * code, "3 times code_d_model")]}  # fmt: skip
        for name, width, of in pairs[self.reading] if self.encoder == "transformer" else []:
            if width % getattr(self, name):
                option, of = (s.replace("_", "-") for s in (name, of))
                raise CourseError(f"--{option} must divide {of}, and {getattr(self, name)} does not divide {width}")

    @property
    def mixing(self) -> Mixing:
        """How steps are mixed."""
        heads = self.heads if self.reading == "paper" else self.code_heads
        return Mixing(self.encoder, heads, self.d_state, self.expand, self.d_conv)


class MFMBNet(nn.Module):
    """Batch -> Output. Both readings have the same four parts: align, macro, micro, and a rebuild for each modality."""

    def __init__(self, config: MFMBConfig, inputs: Inputs):
        super().__init__()
        c = self.config = config
        self.inputs = inputs
        parts = paper_parts if c.reading == "paper" else mfmb_code.code_parts
        self.align, self.macro, self.micro, rebuild, head = parts(c, inputs)
        self.rebuild = nn.ModuleDict({m: rebuild(m) for m in MODALITIES if c.use_reconstruction})
        self.head = head(sum(part.width for part in (self.macro, self.micro) if part is not None), c.classes)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b) or class scores (b, c), reconstructions, gates."""
        sequences = self.inputs(batch)
        valid = {m: s.valid for m, s in sequences.items()}
        h = self.align(sequences)
        rebuilt = {
            m: Reconstruction(f(h[m], valid[m]), sequences[m].target, sequences[m].missing)
            for m, f in self.rebuild.items()
        }
        found, gates = self.represent(h, valid)
        return self._predict(self.head(found), rebuilt, gates)

    def represent(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """H of Eq. 16, (b, width), from the aligned sequences; and the gates."""
        streams, gates = [], {}
        if self.macro is not None:
            streams.append(self.macro(h, valid))
        if self.micro is not None:
            fine, gates = self.micro(h, valid)
            streams.append(fine)
        return torch.cat(streams, dim=-1), gates

    def _predict(self, y: Tensor, rebuilt: dict[str, Reconstruction], gates: dict[str, Tensor]) -> Output:
        if self.config.classes == 1:
            return Output(y.squeeze(-1), rebuilt, gates)
        step = self.config.class_step
        return Output(expected_value(y, step), rebuilt, gates, y, step, self.config.class_targets)


def paper_parts(c: MFMBConfig, inputs: Inputs) -> tuple:
    """The parts after the paper's equations: align, macro, micro, and what makes a rebuild and the head.

    Eq. 16: y = W_H H + b_H on H = [H_f; H_fusion] ("concatenated", says the sentence before the printed "+").
    """
    d, mixing = c.d_model, c.mixing
    align = HybridAttention(inputs.dims, d, c.ffn, mixing, c.dropout, c.input_dropout)
    macro = MacroFusion(d, c.ffn, c.hub, mixing, c.dropout) if c.use_macro else None
    micro = MicroFusion(d, c.d_lstm, c.text_length, c.d_mix, c.d_fine, c.gate, c.dropout) if c.use_micro else None

    def rebuild(m: str) -> nn.Module:
        return ReconstructionBranch(d, inputs.dims[m], c.ffn_rebuild, mixing)

    def head(width: int, classes: int) -> nn.Module:
        return nn.Sequential(nn.Dropout(c.dropout), nn.Linear(width, classes))

    return align, macro, micro, rebuild, head
