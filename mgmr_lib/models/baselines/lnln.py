"""LNLN: Language-dominated Noise-resistant Learning Network (Zhang, Wang and Yu, NeurIPS 2024)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.config import LNLNConfig
from mgmr_lib.models.baselines.hyper_modality import Condense, DominantFusion, Embed, all_valid, encoder_layers
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.output import Output


def reverse_gradient(x: Tensor) -> Tensor:
    """x itself, bit for bit; the gradient changes its sign."""
    return 2 * x.detach() - x


def share_kept(text: Sequence, protected: int) -> Tensor:
    """(b,): the share of kept tokens among those that can be lost; `protected` a clip ([CLS], [SEP]) cannot.

    The published target is 1 - the drawn missing rate, which is its expectation.
    """
    can_be_lost = (text.valid.sum(1) - protected).clamp(min=1)
    return 1 - text.missing.sum(1) / can_be_lost


class Completeness(nn.Module):
    """How complete the text is, from its tokens alone: (b,T,d) -> w (b,1) in (0, 1)."""

    def __init__(self, config: LNLNConfig):
        super().__init__()
        d = config.d_model
        self.condense = Condense(config, config.depth, 1)
        self.score = nn.Sequential(nn.Linear(d, d // 2), nn.LeakyReLU(0.1), nn.Linear(d // 2, 1), nn.Sigmoid())

    def forward(self, text: Tensor) -> Tensor:
        return self.score(self.condense(text, all_valid(text)).squeeze(1))


class Proxy(nn.Module):
    """What the text might be, from voice and face alone: two (b,T,d) -> (b,T,d).

    One set of learned tokens asks; the published code puts a second one, its `h_p`, among the memory. A learned code
    tells the tokens of voice and face apart, as published.
    """

    def __init__(self, config: LNLNConfig):
        super().__init__()
        self.code = nn.Parameter(torch.randn(2 * config.tokens, config.d_model))
        self.condense = Condense(config, config.depth, config.tokens)

    def forward(self, audio: Tensor, vision: Tensor) -> Tensor:
        x = torch.cat([audio, vision], dim=1) + self.code
        return self.condense(x, all_valid(x))


class Rebuild(nn.Module):
    """The complete clip's tokens from the incomplete clip's: (b,T,d) -> (b,T,d)."""

    def __init__(self, config: LNLNConfig):
        super().__init__()
        self.code = nn.Parameter(torch.randn(config.tokens, config.d_model))
        self.layers = encoder_layers(config.depth, config)

    def forward(self, x: Tensor) -> Tensor:
        valid, x = all_valid(x), x + self.code
        for layer in self.layers:
            x = layer(x, valid)
        return x


class LNLN(nn.Module):
    """Score how complete the text is, mix in a proxy made from voice and face, fuse as ALMT does.

    H_d = (1 - w) H_p + w H_l, where a discriminator must not tell H_d from the complete text's tokens. Kept from the
    published code (Haoyu-ha/LNLN, MIT): all sizes, the score and its loss (.9), proxy, discriminator (.8; SIMS .6),
    reconstruction of all tokens (.1), squared error, the mean over the text's tokens as output. Simplified: see `Proxy`
    and hyper_modality.py; sinusoidal positions. Repaired: the gradient is reversed **between H_d and the discriminator
    only**, so that all of H_d is made to deceive it (published, and here with reading="code": on H_p itself, so that
    the proxy gets the *task's* gradient reversed too and is trained to harm the prediction, while text and w help the
    discriminator); targets are detached (published: both sides of the reconstruction may shrink; "code" keeps that);
    padding is masked. Protocol B redraws masks and rates every epoch, which the published one means to and does not.
    """

    def __init__(self, config: LNLNConfig, inputs: Inputs):
        super().__init__()
        c, d = config, config.d_model
        self.config, self.inputs, self.literal = c, inputs, c.reading == "code"
        self.embed = nn.ModuleDict({m: Embed(inputs.dims[m], c) for m in MODALITIES})
        self.completeness, self.proxy = Completeness(c), Proxy(c)
        self.discriminator = nn.Sequential(nn.Linear(d, d // 2), nn.LeakyReLU(0.1), nn.Linear(d // 2, 2))
        self.rebuild = nn.ModuleDict({m: Rebuild(c) for m in MODALITIES})
        self.fusion = DominantFusion(c)
        self.head = nn.Linear(d, 1)

    def corrected(self, tokens: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """{modality: (b,T,d)} -> H_d (b,T,d), w (b,1)."""
        w = self.completeness(tokens["text"])
        proxy = self.proxy(tokens["audio"], tokens["vision"])
        if self.literal:
            proxy = reverse_gradient(proxy)
        return (1 - w[..., None]) * proxy + w[..., None] * tokens["text"], w

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b) and, in training, three terms of the loss."""
        sequences = self.inputs(batch)
        tokens = {m: self.embed[m](s.x, s.valid) for m, s in sequences.items()}
        dominant, w = self.corrected(tokens)
        prediction = self.head(self.fusion(dominant, tokens["audio"], tokens["vision"])).squeeze(-1)
        terms = self._terms(sequences, tokens, dominant, w) if self.training else {}
        return Output(prediction, task=self.config.task, terms=terms)

    def _terms(self, sequences: dict[str, Sequence], tokens: dict, dominant: Tensor, w: Tensor) -> dict[str, Tensor]:
        c = self.config
        with torch.set_grad_enabled(self.literal):
            complete = {m: self.embed[m](s.target, s.valid) for m, s in sequences.items()}
        kept = share_kept(sequences["text"], 0 if self.inputs.stored_text else 2)
        rebuilt = torch.cat([self.rebuild[m](x) for m, x in tokens.items()], dim=1)
        return {
            "completeness": c.completeness * mse_loss(w.squeeze(-1), kept),
            "adversarial": c.adversarial * self.deceived(dominant, complete["text"]),
            "reconstruction": c.rebuild * mse_loss(rebuilt, torch.cat(list(complete.values()), dim=1)),
        }

    def deceived(self, dominant: Tensor, complete: Tensor) -> Tensor:
        """Cross-entropy of the discriminator: every token of H_d is of class 1, of complete text of class 0."""
        made = dominant if self.literal else reverse_gradient(dominant)
        scores = self.discriminator(torch.cat([made, complete]).flatten(0, 1))
        truth = torch.arange(2, device=scores.device).flip(0).repeat_interleave(len(scores) // 2)
        return cross_entropy(scores, truth)
