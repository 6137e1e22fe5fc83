"""The training loop, on HF Accelerate: the same code on a CPU, a GPU, or several processes.

A run is a function of its configuration alone: order, masks and dropout of an epoch are seeded by (seed, epoch), so a
killed run that resumes at the last whole epoch ends where an uninterrupted one does.
"""

import math
import time
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from mgmr_lib.data.batch import Batch, MaskedSplit
from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_json
from mgmr_lib.models.output import Output, in_float32
from mgmr_lib.models.registry import entry
from mgmr_lib.training.batches import like_length_batches, on_device
from mgmr_lib.training.checkpoint import (
    load_optimizer,
    load_tensors,
    load_weights,
    optimizer_tensors,
    save_tensors,
    with_prefix,
    without_prefix,
)
from mgmr_lib.training.finite import FAILED, NotFinite, check_loss, check_predictions, why_failed
from mgmr_lib.training.losses import LossWeights, joint_loss, loss_counts
from mgmr_lib.training.precision import accelerator_for, in_full_precision
from mgmr_lib.training.seeds import mix
from mgmr_lib.training.setup import Setup

VALID_SEED = 1  # masks of the valid split: the same in every run, so that runs are compared on the same clips


@torch.no_grad()
def predict(model: torch.nn.Module, masked: MaskedSplit, batch_size: int = 64, device="cpu") -> np.ndarray:
    """Predictions (n,) float64 for every clip, in the split's order (clips of like length share a batch)."""
    model.eval()
    order = np.argsort(masked.split.token_lengths, kind="stable")
    found = np.empty(len(masked))
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for rows, batch in zip(parts, on_device(masked.batch, parts, device), strict=True):
        found[rows] = model(batch).prediction.float().cpu().numpy()
    return found


@dataclass
class Progress:
    """Where a run stands. best: the lowest valid MAE so far; waited: epochs since then; seconds: of training."""

    epoch: int = 0
    step: int = 0
    best: float = math.inf
    best_epoch: int = -1
    waited: int = 0
    history: list[dict] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def from_checkpoint(cls, state: dict) -> "Progress":
        """What a checkpoint holds; ValueError where it is not what one writes."""
        own = {f.name: f for f in fields(cls)}
        found = cls(**{name: value for name, value in state.items() if name in own})
        numbers = (found.epoch, found.step, found.best_epoch, found.waited)
        if not all(type(n) is int for n in numbers) or not isinstance(found.history, list):
            raise ValueError("its progress is not one that training writes")
        if len(found.history) != found.epoch or not isinstance(found.best, int | float) or math.isnan(found.best):
            raise ValueError("its progress does not fit its history")
        return found


class Trainer:
    """Trains setup.model and keeps the weights with the lowest valid MAE.

    folder: where checkpoints go (None: nowhere). `run()` resumes from the folder's checkpoint if there is one.
    """

    def __init__(
        self, setup: Setup, folder: Path | None = None, quiet: bool = False, accelerator: Accelerator | None = None
    ):
        self.setup, self.config, self.folder, self.quiet = setup, setup.config, folder, quiet
        self.accelerator = accelerator_for(self.config.precision, accelerator)
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=self.config.weight_decay)
        self.base_rates = [g["lr"] for g in self.optimizer.param_groups]
        self.model, self.optimizer = self.accelerator.prepare(setup.model, self.optimizer)
        c = self.config
        self.averaged = None
        if c.ema > 0:
            self.averaged = AveragedModel(self._plain(), multi_avg_fn=get_ema_multi_avg_fn(c.ema))
        labels = torch.as_tensor(setup.splits["train"].labels)
        self.teacher = entry(c.model).build_teacher(c.network, labels).to(self.accelerator.device)
        self.weights = LossWeights(c.alpha_text, c.alpha_audio, c.alpha_vision)
        self.progress = Progress()
        self.best_weights: dict[str, torch.Tensor] = {}
        self.valid: list[MaskedSplit] | None = None
        self.steps_per_epoch = math.ceil(len(setup.splits["train"]) / c.batch_size)

    def _plain(self) -> torch.nn.Module:
        return self.accelerator.unwrap_model(self.model)

    def _groups(self) -> list[dict]:
        """One for each learning rate: `lr`'s, the text encoder's, and those of the parts that the network's own
        `rates()` names: {first letters of parameters' names: factor on `lr`}."""
        lr, model = self.config.lr, self.setup.model
        rates = {"inputs.text_encoder.": self.config.encoder_lr}
        rates |= {part: factor * lr for part, factor in getattr(model, "rates", dict)().items()}
        rates_of = {"": lr} | rates
        groups: dict[str, dict] = {part: {"params": [], "lr": rate} for part, rate in rates_of.items()}
        for name, p in model.named_parameters():
            groups[next(filter(name.startswith, rates), "")]["params"].append(p)
        return [group for group in groups.values() if group["params"]]

    def run(self) -> Progress:
        """Train until early stopping or the last epoch, then put the best weights into the model.

        A loss, gradient or prediction that is not finite ends the training: CourseError, and the best weights before it
        are kept in the folder. So does a folder in which that has happened before.
        """
        c = self.config
        if sentence := why_failed(self.folder):
            raise CourseError(sentence)
        self._resume()
        hidden = self.quiet or not self.accelerator.is_main_process
        bar = tqdm(
            total=c.epochs, initial=self.progress.epoch, disable=hidden, desc=f"{c.model} {c.profile}", unit="epoch"
        )
        while self.progress.epoch < c.epochs and self.progress.waited < c.patience:
            started = time.perf_counter()
            try:
                losses = self._train_epoch(self.progress.epoch)
                mae = self._validate()
            except NotFinite as error:
                bar.close()
                raise self._failed(error) from None
            self.progress.seconds = round(self.progress.seconds + time.perf_counter() - started, 1)
            self._record(losses, mae)
            bar.update()
            bar.set_postfix_str(f"train {losses['task']:.3f}, valid MAE {mae:.3f}, best {self.progress.best:.3f}")
        bar.close()
        load_weights(self._plain(), self.best_weights, Path(self.folder or "."))
        in_full_precision(self._plain())  # as a finished run is measured
        return self.progress

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """One pass over the training clips; returns the epoch's mean losses."""
        c = self.config
        masked = self.setup.train_epoch(epoch)
        torch.manual_seed(mix(c.seed, epoch))
        batches = like_length_batches(masked.split.token_lengths, c.batch_size, mix(c.seed, epoch))
        self.model.train()
        self.teacher.start_epoch(epoch)
        totals: dict[str, float] = {}
        # Each process takes its share of the same global batch; an odd clip goes to the first ones. One without a clip
        # (a last batch smaller than the world) still takes part, with a weight of zero.
        world, own = self.accelerator.num_processes, self.accelerator.process_index
        shares = [np.array_split(whole, world)[own] for whole in batches]
        moved = on_device(masked.batch, [s if len(s) else [0] for s in shares], self.accelerator.device)
        for whole, share, batch in zip(batches, shares, moved, strict=True):
            losses = self._step(batch, takes_part=len(share) > 0)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + float(value) * len(whole)
        return {name: value / len(masked) for name, value in totals.items()}

    def _step(self, batch: Batch, takes_part: bool) -> dict[str, torch.Tensor]:
        self._set_learning_rate()
        output = in_float32(self.model(batch))
        output.task = self.config.objective or output.task
        scale = 1.0 if takes_part else 0.0
        counts = self.accelerator.reduce(loss_counts(output, batch.labels) * scale, "sum")
        losses = joint_loss(output, batch.labels, self.weights, counts, self.teacher(output, batch))
        reduced = {k: self.accelerator.reduce(v.detach() * scale, "sum") for k, v in losses.items()}
        check_loss(reduced["total"], output, batch.ids, self.progress.step)
        # Gradients are averaged over processes, but the counts are already global: undo the average.
        self.accelerator.backward(losses["total"] * self.accelerator.num_processes * scale)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        if norm is not None and not math.isfinite(norm):
            raise NotFinite("the gradient", f"step {self.progress.step + 1}")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._teach(output, batch, takes_part)
        self.progress.step += 1
        if self.averaged is not None:
            self.averaged.update_parameters(self._plain())
        return reduced

    @torch.no_grad()
    def _teach(self, output: Output, batch: Batch, takes_part: bool) -> None:
        """Let the teacher remember the batch. Each process does so for its own clips; all changes are then added up."""
        states = dict(self.teacher.named_buffers()) if self.accelerator.num_processes > 1 else {}
        before = {name: state.clone() for name, state in states.items()}
        if takes_part:
            self.teacher.update(output, batch)
        for name, state in states.items():
            state.copy_(before[name] + self.accelerator.reduce(state - before[name], "sum"))

    def _set_learning_rate(self) -> None:
        """Linear warm-up over the first `warmup` of all steps, then half a cosine down to zero."""
        total = self.steps_per_epoch * self.config.epochs
        warm = max(1, round(self.config.warmup * total))
        step = self.progress.step
        factor = (
            (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))
        )
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor

    def _evaluated(self) -> torch.nn.Module:
        return self._plain() if self.averaged is None else self.averaged.module

    def _validate(self) -> float:
        """Mean absolute error on the valid split, averaged over the rates that the configuration names."""
        if self.valid is None:
            self.valid = [self.setup.masked("valid", rate, VALID_SEED) for rate in self.setup.valid_rates()]
        split = self.setup.splits["valid"]
        found = [predict(self._evaluated(), masked, device=self.accelerator.device) for masked in self.valid]
        for predictions in found:
            check_predictions(predictions, split, "the valid split")
        return float(np.mean([np.abs(predictions - split.labels).mean() for predictions in found]))

    def _record(self, losses: dict[str, float], mae: float) -> None:
        p = self.progress
        p.history.append({"epoch": p.epoch, "valid_mae": mae, **{f"train_{k}": v for k, v in losses.items()}})
        if mae < p.best:
            p.best, p.best_epoch, p.waited = mae, p.epoch, 0
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self._evaluated().state_dict().items()}
        else:
            p.waited += 1
        p.epoch += 1
        if self.folder is not None and self.accelerator.is_main_process:
            self._save()

    def _save(self) -> None:
        assert self.folder is not None
        tensors = with_prefix("model", self._plain().state_dict()) | with_prefix("best", self.best_weights)
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        tensors |= with_prefix("teacher", self.teacher.state_dict())
        if self.averaged is not None:
            tensors |= with_prefix("averaged", self.averaged.state_dict())
        save_tensors(self.folder / "last.safetensors", tensors, vars(self.progress) | {"config": self.config.hash()})

    def _resume(self) -> None:
        path = self.folder / "last.safetensors" if self.folder else None
        if path is None or not path.exists():
            return
        tensors, state = load_tensors(path)
        try:
            self.progress = Progress.from_checkpoint(state)
            load_weights(self._plain(), without_prefix("model", tensors), path)
            load_optimizer(self.optimizer, without_prefix("optimizer", tensors))
            load_weights(self.teacher, without_prefix("teacher", tensors), path)
            if self.averaged is not None:
                load_weights(self.averaged, without_prefix("averaged", tensors), path)
        except CourseError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CourseError(f"{path} is damaged ({error}): delete it and train again") from None
        self.best_weights = without_prefix("best", tensors)

    def _failed(self, error: NotFinite) -> CourseError:
        """Keep the best weights before it and the reason; the sentence that says both."""
        p = self.progress
        place = f" ({error.place})" if error.place else ""
        sentence = f"{error.what} is not finite since epoch {p.epoch + 1}{place}"
        sentence += ": train again with a smaller --lr and another --out"
        if self.folder is not None and self.best_weights:
            sentence += (
                f"; the best weights before it (epoch {p.best_epoch + 1}, valid MAE {p.best:.3f}) are kept in "
                f"{self.folder / 'model.safetensors'}"
            )
        if self.folder is not None and self.accelerator.is_main_process:
            if self.best_weights:
                save_tensors(self.folder / "model.safetensors", self.best_weights)
            write_json(self.folder / FAILED, {"sentence": sentence, "epoch": p.epoch + 1, "place": error.place})
        return CourseError(sentence)
