"""SFT by TRL's trainer, on rows that are tokens already. Imports torch: see `run` for the way in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerState
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from dalign import config
from dalign.train import session
from dalign.train.bins import Bins, check_bins, load_bins
from dalign.train.job import OnStep, SftJob, StepRow, TrainResult
from dalign.train.session import Training, common_arguments, model_of, one_device, tokenizer_of

# The learning rate falls in a line to this share of its peak.
FINAL_SHARE = 0.1


def run(job: SftJob, on_step: OnStep) -> TrainResult:
    """See `dalign.train.run.train_sft`."""
    bins = load_bins(job.rows)
    identity = {
        "kind": "sft",
        "rows": bins.digest(),
        "settings": job.settings.model_dump(mode="json"),
    }
    trainer = partial(sft_trainer, job, bins)
    return session.run(Training(job, identity, trainer, partial(merged, out=job.out)), on_step)


def sft_trainer(job: SftJob, bins: Bins) -> PackedTrainer:
    """The trainer of a job."""
    settings = job.settings
    lora = settings.method == "lora"
    model = model_of(job, job.dtype if lora else "float32")
    tokenizer = tokenizer_of(job)
    check_bins(bins, end_tokens(model, tokenizer))
    arguments = SFTConfig(
        **common_arguments(job),
        max_steps=step_count(len(bins), settings),
        # One packed row a pass: memory is a row's, and attention's cost grows with the row, not
        # with the step.
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.rows_per_step,
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        save_steps=settings.save_steps,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    one_device(arguments)
    return PackedTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"row": range(len(bins))}),
        data_collator=partial(collate, bins),
        processing_class=tokenizer,
        peft_config=lora_config(settings.lora) if lora else None,
        warmup_steps=settings.warmup_steps,
    )


def collate(bins: Bins, rows: Sequence[dict[str, int]]) -> dict[str, torch.Tensor]:
    """Packed rows as one row (1, N).

    There is no attention mask on purpose: without one, and without a cache, attention keeps to the
    sequences that restarting positions tell apart.
    """
    spans = [slice(bins.offsets[row["row"]], bins.offsets[row["row"] + 1]) for row in rows]
    columns = {
        "input_ids": bins.input_ids,
        "labels": bins.labels,
        "position_ids": bins.position_ids,
    }
    return {
        name: torch.cat([torch.from_numpy(values[span]) for span in spans])[None]
        for name, values in columns.items()
    }


def step_count(rows: int, settings: config.Sft) -> int:
    """Optimiser steps of a training: those of its epochs, at most `max_steps`.

    The last step of an epoch may have fewer rows than the others.
    """
    steps = math.ceil(settings.epochs * math.ceil(rows / settings.rows_per_step))
    return min(steps, settings.max_steps) if settings.max_steps > 0 else steps


def rate_factor(step: int, *, warmup: int, total: int) -> float:
    """The share of the peak learning rate at a step, counted from 0.

    Up in a line, then down in one to a tenth.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 1.0 - (1.0 - FINAL_SHARE) * min(1.0, (step - warmup) / max(1, total - 1 - warmup))


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Every token at which a completion ends."""
    declared = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = [declared] if isinstance(declared, int) else list(declared or [])
    return {token for token in [*ids, tokenizer.eos_token_id] if isinstance(token, int)}


def lora_config(lora: config.Lora) -> LoraConfig:
    """The settings as peft takes them."""
    target = (
        lora.target
        if lora.target == "all-linear"
        else [name.strip() for name in lora.target.split(",")]
    )
    return LoraConfig(
        r=lora.r,
        # peft scales by alpha / r and takes fractions too.
        lora_alpha=cast("int", lora.alpha),
        lora_dropout=lora.dropout,
        target_modules=target,
        task_type="CAUSAL_LM",
    )


def merged(trainer: PackedTrainer, out: Path) -> PreTrainedModel:
    """The trained model; an adapter is written to `out/adapter` and merged into it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if isinstance(model, PeftModel):
        model.save_pretrained(str(out / "adapter"))
        model = model.merge_and_unload()
    assert isinstance(model, PreTrainedModel)
    return model


class PackedTrainer(SFTTrainer):
    """TRL's SFT trainer with our schedule and without the figures that nobody reads."""

    def __init__(self, *, warmup_steps: int, **arguments: Any) -> None:
        """warmup_steps: see `rate_factor`; the rest is TRL's."""
        self.warmup = warmup_steps
        super().__init__(**arguments)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The learning rate over the steps."""
        factor = partial(rate_factor, warmup=self.warmup, total=num_training_steps)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer or cast(torch.optim.Optimizer, self.optimizer), factor
        )
        return self.lr_scheduler

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross-entropy, summed, over the trained tokens of the whole step."""
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        trained = outputs.label_mask.sum() if num_items_in_batch is None else num_items_in_batch
        loss = -outputs.log_probs.sum() / torch.as_tensor(trained).clamp(min=1)
        if num_items_in_batch is not None:
            # The count is of all processes, and their gradients are averaged.
            loss = loss * self.accelerator.num_processes
        self.state.num_input_tokens_seen += (
            inputs["input_ids"].numel() * self.accelerator.num_processes
        )
        return (loss, outputs) if return_outputs else loss

    def step_row(self, state: TrainerState, logs: dict[str, float]) -> StepRow:
        """A step's row of the curve."""
        return {
            "step": state.global_step,
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            "tokens": state.num_input_tokens_seen,
        }
