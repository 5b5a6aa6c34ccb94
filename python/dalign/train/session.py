"""One training from its job to its result, whatever it trains by. Imports torch."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets.utils.logging import disable_progress_bar as no_dataset_bars
from peft import PeftModel
from transformers import (
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging

from dalign.config import USUAL_ATTENTION
from dalign.errors import DalignError
from dalign.models.fingerprint import fingerprint
from dalign.store.memory import Journal
from dalign.store.whole_files import remove
from dalign.train.checkpoints import (
    ADAPTER,
    CHECKPOINTS,
    FINAL,
    complete,
    copy_tokenizer,
    mark_complete,
    resume_point,
    step_log,
    take_up,
)
from dalign.train.job import Job, Keeper, OnStep, TrainResult
from dalign.train.ranks import await_all, is_first, joined, on_first, require_processes
from dalign.train.trackers import Trackers, tracked

ADAM_BETAS = (0.9, 0.95)
# Warm-up is at most one step of so many.
MOST_WARMUP = 10
LOGGERS = ("transformers", "trl", "accelerate", "datasets", "peft", "huggingface_hub")


def run(
    job: Job,
    out: Path,
    own: Mapping[str, Any],
    trainer_of: Callable[[], OwnTrainer],
    on_step: OnStep,
    keeper: Keeper | None = None,
) -> TrainResult:
    """Trains, or goes on where a killed training stood, or returns what is there already.

    out: the folder of the training. own: what makes it another training, beside what makes any job another one.
    Raises InputError for a folder that holds another training, and where other processes train than the job has it.
    """
    require_processes(job.devices)
    with joined(job.devices, job.device):
        identity = {**own, **identity_of(job)}
        return _run(job, out, identity, trainer_of, on_step, keeper or Keeper())


def _run(
    job: Job,
    out: Path,
    identity: Mapping[str, Any],
    trainer_of: Callable[[], OwnTrainer],
    on_step: OnStep,
    keeper: Keeper,
) -> TrainResult:
    done = on_first(lambda: take_up(out, identity))
    if done is not None:
        # The last step is always saved, so what the caller kept of it is there.
        on_first(lambda: keeper.resume(len(done.curve)))
        return done
    log = step_log(out)
    with quiet_libraries():
        checkpoint, step = on_first(lambda: resume_point(out))
        on_first(lambda: keeper.resume(step))
        trainer = trainer_of()
        trainer.create_model_card = lambda *_, **__: None
        trainer.remove_callback(PrinterCallback)
        with tracked(job.tracking if is_first() else None, step + 1) as trackers:
            trainer.add_callback(Recorder(log, trainer, on_step, keeper, trackers))
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        on_first(lambda: publish(trainer, out))
    return TrainResult(out / FINAL, tuple(log.read()))


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hides warnings and bars of the training libraries; their errors still come through."""
    # The one switch that TRL offers for its notes on experimental arguments.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    no_dataset_bars()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in LOGGERS}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()


def identity_of(job: Job) -> dict[str, Any]:
    """What makes any job another one."""
    attention = {} if job.attention == USUAL_ATTENTION else {"attention": job.attention}
    return {"start": fingerprint(job.start), "seed": job.seed, "dtype": job.dtype, **attention}


def publish(trainer: OwnTrainer, out: Path) -> None:
    """Writes `out/final`, whole or not at all, and removes the checkpoints."""
    job, model = trainer.job, trainer.trained(out)
    partial_folder = out / f"{FINAL}.partial"
    remove(partial_folder)
    torch.nn.Module.to(model, getattr(torch, job.dtype))
    # What TRL adds to the config says how it was trained, not what it is.
    model.model_tags = None
    model.save_pretrained(str(partial_folder))
    copy_tokenizer(job.start, partial_folder)
    mark_complete(partial_folder, list(step_log(out).read()))
    os.replace(partial_folder, out / FINAL)
    remove(out / CHECKPOINTS)


def arguments_of(kind: type[TrainingArguments], job: Job, out: Path, **own: Any) -> Any:
    """A trainer's arguments: its own, and those that follow from the machine or that nobody should set.

    Trained weights are float32 whatever the dtype, an adapter's too: an update of 1e-6 is lost in a bfloat16
    weight. A shorter dtype is what the products are computed in.
    """
    if job.device.startswith("cuda:"):
        torch.cuda.set_device(torch.device(job.device))
    on_cpu = job.device == "cpu"
    common = {
        "output_dir": str(out / CHECKPOINTS),
        "use_cpu": on_cpu,
        "bf16": job.dtype == "bfloat16",
        "fp16": job.dtype == "float16",
        checkpointing_argument(): not on_cpu,
        "adam_beta1": ADAM_BETAS[0],
        "adam_beta2": ADAM_BETAS[1],
        "weight_decay": 0.0,
        "seed": job.seed,
        "data_seed": job.seed,
        "report_to": [],
        "disable_tqdm": True,
        "logging_steps": 1,
        # A loss that is not a number ends the training; averaged away, it would go unseen.
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "remove_unused_columns": False,
        "dataloader_pin_memory": not on_cpu,
    }
    if job.devices > 1:
        # An expert that no token of a pass goes to has no gradient there. Buffers are those of the start everywhere.
        common |= {"ddp_find_unused_parameters": True, "ddp_broadcast_buffers": False}
    arguments = kind(**common | own)
    # One process keeps to its device, however many are visible.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def checkpointing_argument() -> str:
    """The argument that makes activations anew in the backward pass.

    Newer transformers warn of the older name, and older ones do not know the newer one.
    """
    known = {argument.name for argument in fields(TrainingArguments)}
    newer = "activation_checkpointing"
    return newer if newer in known else "gradient_checkpointing"


def rate_factor(step: int, *, warmup: int, total: int, final: float) -> float:
    """The share of the peak learning rate at a step, counted from 0; no step is spent at 0.

    Up in a line, then in one to `final` at the last step.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 1.0 - (1.0 - final) * min(1.0, (step - warmup) / max(1, total - 1 - warmup))


def warmup_of(wanted: int, total: int) -> int:
    """Steps of warm-up of a training of so many: what is wanted, at most one in ten."""
    return min(wanted, total // MOST_WARMUP)


class OwnTrainer(Trainer):
    """What our trainers add to TRL's, beside a `step_row(state, logs)`: a step's row of the curve."""

    job: Job
    warmup_steps: int
    final_rate: float

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The learning rate over the steps: see `rate_factor`."""
        warmup, final = warmup_of(self.warmup_steps, num_training_steps), self.final_rate
        factor = partial(rate_factor, warmup=warmup, total=num_training_steps, final=final)
        optimizer = optimizer or self.optimizer
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return self.lr_scheduler

    def trained(self, out: Path) -> PreTrainedModel:
        """The trained model, to be published; an adapter is written to `out/adapter` and merged into it."""
        model = self.accelerator.unwrap_model(self.model)
        if isinstance(model, PeftModel):
            model.save_pretrained(str(out / ADAPTER))
            model = model.merge_and_unload()
        return model


class Recorder(TrainerCallback):
    """Logs each step, completes each checkpoint, and stops at a loss that is not a number."""

    def __init__(
        self,
        log: Journal,
        trainer: OwnTrainer,
        on_step: OnStep,
        keeper: Keeper,
        trackers: Trackers,
    ) -> None:
        self.log, self.trainer, self.on_step, self.keeper = log, trainer, on_step, keeper
        self.trackers = trackers

    def on_log(
        self, args: Any, state: TrainerState, control: Any, logs: dict[str, float], **_: Any
    ) -> None:
        """Takes down a step's figures."""
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            said = (
                f"the loss of step {state.global_step} is {logs['loss']}; lower the learning rate"
            )
            raise DalignError(said, kind="not_finite")
        on_first(lambda: self._take_down(state, logs))
        on_first(lambda: self.on_step(state.global_step, state.max_steps, logs["loss"]))

    def _take_down(self, state: TrainerState, logs: dict[str, float]) -> None:
        row = self.trainer.step_row(state, logs)
        self.log.append([row])
        self.trackers.log(row)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        """Completes a checkpoint, after what the caller keeps beside it."""
        # Each process writes the state of its own random numbers.
        await_all()
        on_first(lambda: self.keeper.save(state.global_step))
        on_first(lambda: complete(Path(args.output_dir), state.global_step))
