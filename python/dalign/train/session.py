"""One training from its job to its result, whatever it trains by. Imports torch."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from dalign.errors import DalignError
from dalign.models.checkpoint import fingerprint, load_model, load_tokenizer
from dalign.train.checkpoints import (
    CHECKPOINTS,
    FINAL,
    StepLog,
    complete,
    copy_tokenizer,
    resume_point,
    take_up,
)
from dalign.train.job import Job, Keeper, OnStep, TrainResult
from dalign.train.libraries import quiet_libraries
from dalign.train.ranks import on_first, require_one_process

ADAM_BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class Training:
    """What one kind of training hands to `run`.

    identity: what makes it another one, beside what every job has. trainer: makes the trainer, whose
    `step_row(state, logs)` is a step's row of the curve. trained: the model to publish, once it has
    trained; called on the first process only, where it may write to `job.out`.
    """

    job: Job
    identity: Mapping[str, Any]
    trainer: Callable[[], Trainer]
    trained: Callable[[Trainer], PreTrainedModel]
    keeper: Keeper = field(default_factory=Keeper)


def run(training: Training, on_step: OnStep) -> TrainResult:
    """Trains, or goes on where a killed training stood, or returns what is there already.

    Raises InputError for a folder that holds another training, and where several processes train.
    """
    require_one_process()
    job, keeper = training.job, training.keeper
    done = on_first(lambda: take_up(job.out, _common_identity(job) | dict(training.identity)))
    if done is not None:
        # The last step is always saved, so what the caller kept of it is there.
        on_first(lambda: keeper.resume(len(done.curve)))
        return done
    log = StepLog(job.out)
    with quiet_libraries():
        choose_device(job.device)
        checkpoint, step = on_first(lambda: resume_point(job.out))
        on_first(lambda: keeper.resume(step))
        trainer = training.trainer()
        train(trainer, Recorder(log, trainer, on_step, keeper), checkpoint)
        on_first(lambda: publish(training.trained(trainer), job))
    return TrainResult(job.out / FINAL, log.rows())


def _common_identity(job: Job) -> dict[str, Any]:
    return {"start": fingerprint(job.start), "seed": job.seed, "dtype": job.dtype}


def tokenizer_of(job: Job) -> PreTrainedTokenizerBase:
    """The tokenizer of the job's checkpoint."""
    loaded: PreTrainedTokenizerBase = load_tokenizer(job.start, job.trust_remote_code)
    return loaded


def model_of(job: Job, dtype: str) -> PreTrainedModel:
    """The model of the job's checkpoint, on its device."""
    loaded: PreTrainedModel = load_model(job.start, dtype, job.device, job.trust_remote_code)
    return loaded


def common_arguments(job: Job) -> dict[str, Any]:
    """The trainer's arguments that follow from the machine, or that nobody should have to set.

    Trained weights are float32 whatever the dtype: an update of 1e-6 is lost in a bfloat16
    weight. A shorter dtype is what the products are computed in.
    """
    on_cpu = job.device == "cpu"
    return {
        "output_dir": str(job.out / CHECKPOINTS),
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


def checkpointing_argument() -> str:
    """The argument that makes activations anew in the backward pass.

    Newer transformers warn of the older name, and older ones do not know the newer one.
    """
    known = {argument.name for argument in fields(TrainingArguments)}
    newer = "activation_checkpointing"
    return newer if newer in known else "gradient_checkpointing"


def choose_device(device: str) -> None:
    """Makes `device` the one that trainers take."""
    if device.startswith("cuda:"):
        torch.cuda.set_device(torch.device(device))


def one_device(arguments: TrainingArguments) -> None:
    """Keeps a single process on its device, however many are visible."""
    if arguments.parallel_mode.value == "not_distributed":
        arguments._n_gpu = min(arguments.n_gpu, 1)


class Recorder(TrainerCallback):
    """Logs each step, completes each checkpoint, and stops at a loss that is not a number."""

    def __init__(self, log: StepLog, trainer: Trainer, on_step: OnStep, keeper: Keeper) -> None:
        """trainer: its `step_row` makes a step's row of figures from what it logs."""
        self.log = log
        self.trainer = trainer
        self.on_step = on_step
        self.keeper = keeper

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **_: Any,
    ) -> None:
        """Takes down a step's figures."""
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise DalignError(
                f"the loss of step {state.global_step} is {logs['loss']}; lower the learning rate"
            )
        on_first(partial(self._take_down, state, logs))

    def _take_down(self, state: TrainerState, logs: dict[str, float]) -> None:
        self.log.append(self.trainer.step_row(state, logs))
        self.on_step(state.global_step, state.max_steps, logs["loss"])

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Completes a checkpoint, after what the caller keeps beside it."""
        on_first(partial(self._complete, Path(args.output_dir or ""), state.global_step))

    def _complete(self, root: Path, step: int) -> None:
        self.keeper.save(step)
        complete(root, step)


def train(trainer: Trainer, recorder: Recorder, resume: Path | None) -> None:
    """Runs a trainer from its checkpoint, with no output of its own."""
    trainer.create_model_card = lambda *_, **__: None
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(recorder)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))


def publish(model: PreTrainedModel, job: Job) -> None:
    """Writes `out/final`, whole or not at all, and removes the checkpoints."""
    partial_folder = job.out / f"{FINAL}.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    torch.nn.Module.to(model, getattr(torch, job.dtype))
    # What TRL adds to the config says how it was trained, not what it is.
    model.model_tags = None
    model.save_pretrained(str(partial_folder))
    copy_tokenizer(job.start, partial_folder)
    os.replace(partial_folder, job.out / FINAL)
    shutil.rmtree(job.out / CHECKPOINTS, ignore_errors=True)
