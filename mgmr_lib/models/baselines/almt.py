"""ALMT: Adaptive Language-guided Multimodal Transformer (Zhang et al., EMNLP 2023)."""

from torch import nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.config import ALMTConfig
from mgmr_lib.models.baselines.hyper_modality import DominantFusion, Embed
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.output import Output


class ALMT(nn.Module):
    """Each modality -> 8 tokens; the text, at three depths, picks from voice and face what the hyper-modality collects;
    the text asks the hyper-modality; linear layer.

    Kept from the published code (Haoyu-ha/ALMT, MIT): condensation by tokens, three scales of the text, one query for
    voice and face, the hyper-modality as the fusion's only memory, squared error, all sizes. reading="code" is literal
    where it departs from the paper: hyper tokens start at ones and each residual carries their *normalised* values
    (their norm is 0 at first, so that the gradient behind it is 316 times too large), and the output is read at a token
    that never saw what the text asked of the hyper-modality. Simplified: sinusoidal positions in time for learned ones,
    so that no length is fixed. Repaired: padding is masked; one checkpoint for all metrics, chosen on the valid split
    (published: one a metric, on test); no first epoch at learning rate 0.
    """

    def __init__(self, config: ALMTConfig, inputs: Inputs):
        super().__init__()
        self.config, self.inputs = config, inputs
        self.embed = nn.ModuleDict({m: Embed(inputs.dims[m], config) for m in MODALITIES})
        self.fusion = DominantFusion(config, literal=config.reading == "code")
        self.head = nn.Linear(config.d_model, 1)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        tokens = {m: self.embed[m](s.x, s.valid) for m, s in self.inputs(batch).items()}
        return Output(self.head(self.fusion(**tokens)).squeeze(-1), task=self.config.task)
