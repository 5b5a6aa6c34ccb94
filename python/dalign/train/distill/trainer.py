"""Distillation by transformers' trainer, with our completions, teacher and loss. Imports torch.

Axes: N token of a pass's completions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler, SequentialSampler
from transformers import TrainerCallback, TrainerState

from dalign.rows import row_seed
from dalign.train.distill.reading import Reader, Written
from dalign.train.divergence import divergences, flipped
from dalign.train.job import DistillJob, Keeper, StepRow, Taught
from dalign.train.kept_weights import KeptWeights
from dalign.train.ranks import gathered, on_first
from dalign.train.session import OwnTrainer

# The column of a completion's number, counted over all steps.
ROW = "row"


class DistillTrainer(OwnTrainer):
    """The loop and checkpoints of transformers; a step's completions are drawn when its rows come."""

    job: DistillJob

    def __init__(self, *, job: DistillJob, keeper: Keeper, **arguments: Any) -> None:
        """The rest is transformers'."""
        super().__init__(**arguments)
        settings = job.settings
        # A pass's loss is its part of the step's mean already.
        self.model_accepts_loss_kwargs = True
        # The learning rate rises in a line, then stays.
        self.warmup_steps, self.final_rate = settings.warmup_steps, 1.0
        self.job, self.keeper = job, keeper
        drawn = [prompt for of_step in job.prompts for prompt in of_step]
        self.prompts = [prompt for prompt in drawn for _ in range(settings.samples)]
        model = self.accelerator.unwrap_model(self.model)
        self.reader = Reader(model, arguments["processing_class"], job, drawn)
        decay = settings.ema_decay if settings.teacher == "ema" else None
        self.teacher = KeptWeights(model, decay)
        self.add_callback(_Follows(self.teacher))
        # Of the step being made, by their numbers: the completions, and what was told of those of its passes so far.
        self.written: dict[int, Written] = {}
        self.taught: dict[int, Taught] = {}
        self.figures: dict[str, float] = {}

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        """The rows are drawn in order already."""
        return SequentialSampler(train_dataset or self.train_dataset)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Draws this process's completions of a step; the tokens of all of them, which its loss is the mean over."""
        rows = [row for batch in batch_samples for row in batch[ROW].tolist()]
        seeds = [row_seed(self.job.seed, "distill", str(row)) for row in rows]
        made = self.reader.draw([self.prompts[row] for row in rows], seeds)
        self.written, self.taught = dict(zip(rows, made, strict=True)), {}
        tokens = sum(gathered(sum(len(each.tokens) for each in made)))
        return torch.tensor(tokens, device=device)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any, **_: Any
    ) -> Tensor:
        """A pass's part of the mean divergence of a step's tokens from the teacher's, in nats. Gradients are averaged over the processes."""
        rows = inputs[ROW].tolist()
        written = [self.written[row] for row in rows]
        whole = self.reader.engine.model
        with self.teacher.reading(whole), self.accelerator.autocast():
            teacher_NV = self.reader.teacher_logits(whole, written)
        with self.accelerator.autocast():
            student_NV = self.reader.student_logits(model, written)
        loss_N = divergences(student_NV, teacher_NV, self.job.settings)
        self._note(rows, loss_N.detach(), flipped(student_NV.detach(), teacher_NV))
        return loss_N.sum() * self.accelerator.num_processes / num_items_in_batch

    def _note(self, rows: Sequence[int], losses_N: Tensor, flips_N: Tensor) -> None:
        """Takes down what was told of a pass's completions, and after the last pass what was of the step's."""
        sizes = [len(self.written[row].tokens) for row in rows]
        told = zip(rows, losses_N.split(sizes), flips_N.split(sizes), strict=True)
        for row, losses, flips in told:
            reply = self.written[row].reply
            means = (float(losses.mean()), int(flips.sum()))
            self.taught[row] = Taught(reply.id, reply.text, reply.tokens, *means)
        if len(self.taught) < len(self.written):
            return
        mine = [
            (row, self.taught[row], w.reply.finish != "stop") for row, w in self.written.items()
        ]
        rows_of_all = sorted(chain(*gathered(mine)), key=itemgetter(0))
        taught = [each for _, each, _ in rows_of_all]
        tokens, cut = sum(each.tokens for each in taught), fmean(was for *_, was in rows_of_all)
        self.figures = {
            "tokens": tokens,
            "completion_tokens": tokens / len(taught),
            "flip_rate": sum(each.flips for each in taught) / tokens,
            "truncated": cut,
        }
        step = int(self.state.global_step) + 1
        on_first(lambda: self.keeper.taught(step, taught))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        on_first(lambda: self.teacher.save(folder))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.teacher.load(Path(resume_from_checkpoint))

    def step_row(self, state: TrainerState, logs: dict[str, float]) -> StepRow:
        """A step's row of the curve."""
        trained = {key: logs[key] for key in ("loss", "learning_rate", "grad_norm")}
        return {"step": state.global_step} | self.figures | trained


class _Follows(TrainerCallback):
    """Has a teacher take each step after the student."""

    def __init__(self, teacher: KeptWeights) -> None:
        self.teacher = teacher

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before the step is logged or saved."""
        self.teacher.follow()
