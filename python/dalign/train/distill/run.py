"""A training by distillation, as `session.run` takes it. Imports torch: see `dalign.train.run` for the way in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from transformers import TrainingArguments, set_seed

from dalign.errors import InputError
from dalign.models.checkpoint import load_tokenizer
from dalign.rows import messages_json
from dalign.store.whole_files import digest
from dalign.train import session
from dalign.train.distill.flips import rows_of_pass
from dalign.train.distill.trainer import ROW, DistillTrainer
from dalign.train.draw import check_split
from dalign.train.job import DistillJob, Keeper, OnStep, TrainResult
from dalign.train.lora import lora_of, start_model


def run_distill(job: DistillJob, out: Path, on_step: OnStep, keeper: Keeper) -> TrainResult:
    """See `dalign.train.run.train_distill`."""
    check_job(job)
    used = {prompt.id: prompt for of_step in job.prompts for prompt in of_step}
    own = {
        "kind": "distill",
        "prompts": digest([[prompt.id for prompt in of_step] for of_step in job.prompts]),
        "student": digest([messages_json(prompt.messages) for prompt in used.values()]),
        "teacher": digest([messages_json(job.in_sight.get(name, ())) for name in used]),
        "settings": job.settings.identity,
    }
    trainer = partial(distill_trainer, job, out, keeper)
    return session.run(job, out, own, trainer, on_step, keeper)


def check_job(job: DistillJob) -> None:
    """Checks that each step has what it trains on. Raises InputError where one does not."""
    settings, found = job.settings, [len(of_step) for of_step in job.prompts]
    check_split(settings, job.devices)
    if found != [settings.prompts_per_step] * settings.steps:
        said = f"the job's prompts are drawn for {len(found)} steps of {sorted(set(found))} prompts, not for {settings.steps} of {settings.prompts_per_step}; draw them by its settings"
        raise InputError(said, kind="unequal_lengths")


def distill_trainer(job: DistillJob, out: Path, keeper: Keeper) -> DistillTrainer:
    """The trainer of a job."""
    settings, rows = job.settings, rows_of_pass(job)
    arguments = session.arguments_of(
        TrainingArguments,
        job,
        out,
        max_steps=settings.steps,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=settings.completions_per_step // job.devices // rows,
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        save_steps=settings.save_steps,
    )
    model = start_model(job, settings.method)
    if (lora := lora_of(model, settings, "distill")) is not None:
        # An adapter begins with random weights.
        set_seed(job.seed)
        model = get_peft_model(model, lora)
        if getattr(arguments, session.checkpointing_argument()):
            # What is made anew in the backward pass needs an input with gradients, and the embeddings have none.
            model.enable_input_require_grads()
    return DistillTrainer(
        job=job,
        keeper=keeper,
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(
            {ROW: range(settings.steps * settings.completions_per_step)}
        ),
        data_collator=collate,
        processing_class=load_tokenizer(job.start, job.trust_remote_code),
    )


def collate(rows: Sequence[dict[str, int]]) -> dict[str, Any]:
    """A pass's numbers of completions."""
    return {ROW: torch.tensor([row[ROW] for row in rows])}
