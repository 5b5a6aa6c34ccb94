"""SFT by TRL's trainer, on rows that are tokens already. Imports torch: see `dalign.train.run` for the way in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerState
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from dalign import config
from dalign.models.checkpoint import check_ids, load_tokenizer
from dalign.models.ends import end_ids, ends_of
from dalign.models.render import Renderer
from dalign.rows import IGNORED
from dalign.train import session
from dalign.train.bins import COLUMNS, Bins, check_bins, load_bins
from dalign.train.divergence import divergences_of_all
from dalign.train.job import OnStep, SftJob, StepRow, TrainResult
from dalign.train.kept_weights import KeptWeights
from dalign.train.lora import lora_of, start_model
from dalign.train.ranks import gathered
from dalign.train.step_sampler import StepSampler, passes

# What a batch holds beside a packed row's columns, and no model takes: the weights of its tokens, how many it has, and which
# of them hold the model to its start.
WEIGHTS, TOKENS, HELD = "weights", "tokens", "held"
# The learning rate falls in a line to this share of its peak.
FINAL_SHARE = 0.1


def run_sft(job: SftJob, out: Path, on_step: OnStep) -> TrainResult:
    """See `dalign.train.run.train_sft`."""
    bins = load_bins(job.rows, job.benign if job.settings.kl_weight else ())
    settings = job.settings.identity
    own = {"kind": "sft", "rows": bins.digest(), "settings": settings}
    return session.run(job, out, own, partial(sft_trainer, job, out, bins), on_step)


def sft_trainer(job: SftJob, out: Path, bins: Bins) -> PackedTrainer:
    """The trainer of a job."""
    settings = job.settings
    model = start_model(job, settings.method)
    check_ids(model, int(bins.input_ids.max()), "the packed rows have")
    tokenizer = load_tokenizer(job.start, job.trust_remote_code)
    check_bins(bins, end_ids(ends_of(model), Renderer(tokenizer)))
    arguments = session.arguments_of(
        SFTConfig,
        job,
        out,
        max_steps=step_count(len(bins), settings),
        # One packed row a pass: memory is a row's, and attention's cost grows with the row, not
        # with the step.
        per_device_train_batch_size=1,
        gradient_accumulation_steps=passes(settings.rows_per_step, job.devices),
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        save_steps=settings.save_steps,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    return PackedTrainer(
        job=job,
        model=model,
        args=arguments,
        # The last one is the gap.
        train_dataset=Dataset.from_dict({"row": range(len(bins) + (job.devices > 1))}),
        data_collator=partial(collate, bins, by_sequence=settings.normalise == "sequences"),
        processing_class=tokenizer,
        peft_config=lora_of(model, settings, "sft"),
    )


def collate(
    bins: Bins, rows: Sequence[dict[str, int]], *, by_sequence: bool = False
) -> dict[str, torch.Tensor]:
    """A packed row (1, N); by_sequence: with the weight of each token's loss, one over the trained tokens of its sequence.

    There is no attention mask on purpose: without one, and without a cache, attention keeps to the
    sequences that restarting positions tell apart.
    """
    [row] = rows
    if row["row"] < len(bins):
        span = slice(bins.offsets[row["row"]], bins.offsets[row["row"] + 1])
        made = {name: torch.from_numpy(getattr(bins, name)[span])[None] for name in COLUMNS}
        made |= {TOKENS: torch.tensor(made["labels"].numel())}
        if bins.held is not None:
            made |= {HELD: torch.from_numpy(bins.held[span])[None]}
    else:
        made = gap(bins)
    if not by_sequence:
        return made
    return made | {WEIGHTS: sequence_weights(made["labels"][0], made["position_ids"][0])[None]}


def gap(bins: Bins) -> dict[str, torch.Tensor]:
    """The row of a process that has none: two tokens without loss, counted as none."""
    ids_1N = torch.from_numpy(bins.input_ids[:1]).repeat(1, 2)
    labels_1N = torch.full_like(ids_1N, IGNORED)
    columns = (ids_1N, labels_1N, torch.arange(2)[None])
    made = dict(zip(COLUMNS, columns, strict=True)) | {TOKENS: torch.tensor(0)}
    return made if bins.held is None else made | {HELD: torch.zeros(1, 2, dtype=torch.bool)}


def sequence_weights(labels_N: torch.Tensor, positions_N: torch.Tensor) -> torch.Tensor:
    """Of each trained token one over the trained tokens of its sequence, 0 of the others: their sum is the number of sequences."""
    is_trained_N = labels_N != IGNORED
    sequence_N = (positions_N == 0).cumsum(0) - 1
    counts_S = torch.bincount(sequence_N[is_trained_N], minlength=int(sequence_N[-1]) + 1)
    return is_trained_N / counts_S.clamp(min=1)[sequence_N]


def step_count(rows: int, settings: config.Sft) -> int:
    """Optimiser steps of a training: those of its epochs, at most `max_steps`.

    The last step of an epoch may have fewer rows than the others.
    """
    steps = math.ceil(settings.epochs * math.ceil(rows / settings.rows_per_step))
    return min(steps, settings.max_steps) if settings.max_steps > 0 else steps


class PackedTrainer(session.OwnTrainer, SFTTrainer):
    """TRL's SFT trainer with our schedule and without the figures that nobody reads."""

    job: SftJob

    def __init__(self, *, job: SftJob, **arguments: Any) -> None:
        """The rest is TRL's."""
        self.job = job
        self.by_sequence = job.settings.normalise == "sequences"
        self.warmup_steps, self.final_rate = job.settings.warmup_steps, FINAL_SHARE
        super().__init__(**arguments)
        # The model as it starts, where it is held to that; of the step being made the tokens that hold it, and by how much.
        self.start: KeptWeights | None = None
        self.held, self.drift = 0, 0.0
        if job.settings.kl_weight:
            self.start = KeptWeights(self.accelerator.unwrap_model(self.model), None)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any, **_: Any
    ) -> torch.Tensor:
        """Cross-entropy over what the whole step has: the mean over its trained tokens, or over its sequences."""
        weights_1N, held_1N = inputs.pop(WEIGHTS, None), inputs.pop(HELD, None)
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        logps = outputs.log_probs
        if weights_1N is not None:
            logps = logps * weights_1N[:, 1:]
        # Gradients are averaged over the processes, and each has the loss of its own rows alone.
        processes = self.accelerator.num_processes
        whole = torch.as_tensor(num_items_in_batch).clamp(min=1) / processes
        loss = -logps.sum() / whole
        if self.start is None or held_1N is None:
            return loss
        drift = self._drift(model, inputs, held_1N, self.start) / max(1, self.held)
        self.drift += sum(gathered(float(drift.detach())))
        return loss + self.job.settings.kl_weight * drift * processes

    def _drift(
        self, model: Any, inputs: dict[str, Any], held_1N: torch.Tensor, start: KeptWeights
    ) -> torch.Tensor:
        """The divergence of the held tokens from what the start says of them, summed, in nats."""
        # The logits at a position are of the token after it.
        before_N = held_1N[0].nonzero()[:, 0] - 1
        if not len(before_N):
            return torch.zeros((), device=before_N.device)
        whole = self.accelerator.unwrap_model(model)
        read = {name: inputs[name] for name in ("input_ids", "position_ids")}
        read |= {"use_cache": False, "logits_to_keep": before_N}
        with start.reading(whole), self.accelerator.autocast():
            start_NV = whole(**read).logits[0]
        with self.accelerator.autocast():
            own_NV = model(**read).logits[0]
        return divergences_of_all(own_NV, start_NV).sum()

    def get_train_dataloader(self) -> Any:
        """The rows, dealt to the processes; one alone takes them as they come."""
        loader: Any = super().get_train_dataloader()
        if self.job.devices > 1:
            rows, settings = len(self.train_dataset) - 1, self.job.settings
            each = StepSampler(rows, settings.rows_per_step, self.job.devices, self.job.seed)
            loader.set_sampler(each)
        return loader

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """The passes of a step, and what its loss is the mean over; the tokens of all processes are counted."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        held = sum(batch[HELD].sum() for batch in batches if HELD in batch)
        self.held, self.drift = int(self._of_all(held, device)), 0.0
        seen = self._of_all(sum(batch.pop(TOKENS) for batch in batches), device)
        self.state.num_input_tokens_seen += int(seen)
        return batches, items

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        if not self.by_sequence:
            return super()._get_num_items_in_batch(batch_samples, device)
        return self._of_all(sum(batch[WEIGHTS].sum() for batch in batch_samples), device).round()

    def _of_all(self, number: Any, device: torch.device) -> torch.Tensor:
        """The sum over the processes."""
        gathered: torch.Tensor = self.accelerator.gather(torch.as_tensor(number).to(device))
        return gathered.sum()

    def step_row(self, state: TrainerState, logs: dict[str, float]) -> StepRow:
        """A step's row of the curve."""
        row = {key: logs[key] for key in ("loss", "learning_rate", "grad_norm")}
        kl = {} if self.start is None else {"kl": self.drift}
        return {"step": state.global_step, **row, **kl, "tokens": state.num_input_tokens_seen}
