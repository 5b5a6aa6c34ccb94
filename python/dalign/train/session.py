"""What both trainers share: loading, fixed settings, checkpoints, the result. Imports torch."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
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
from dalign.models.checkpoint import load_model, load_tokenizer
from dalign.train.checkpoints import (
    StepLog,
    copy_tokenizer,
    mark_complete,
    newest_complete,
    prune,
    step_of,
)
from dalign.train.result import StepRow, TrainResult

ADAM_BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class Start:
    """A starting checkpoint and how it is loaded."""

    path: Path
    device: str
    dtype: str
    trust_remote_code: bool

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's tokenizer."""
        loaded: PreTrainedTokenizerBase = load_tokenizer(self.path, self.trust_remote_code)
        return loaded

    def model(self, dtype: str) -> PreTrainedModel:
        """The checkpoint's model, on its device."""
        loaded: PreTrainedModel = load_model(self.path, dtype, self.device, self.trust_remote_code)
        return loaded

    @property
    def weights_dtype(self) -> torch.dtype:
        """The type that weights are saved in."""
        found = getattr(torch, self.dtype)
        assert isinstance(found, torch.dtype)
        return found

    def arguments(self, checkpoints: Path) -> dict[str, Any]:
        """The trainer's arguments that follow from the machine, or that nobody should have to set.

        Trained weights are float32 whatever the dtype: an update of 1e-6 is lost in a bfloat16
        weight. A shorter dtype is what the products are computed in.
        """
        on_cpu = self.device == "cpu"
        return {
            "output_dir": str(checkpoints),
            "use_cpu": on_cpu,
            "bf16": self.dtype == "bfloat16",
            "fp16": self.dtype == "float16",
            "gradient_checkpointing": not on_cpu,
            "adam_beta1": ADAM_BETAS[0],
            "adam_beta2": ADAM_BETAS[1],
            "weight_decay": 0.0,
            "report_to": [],
            "disable_tqdm": True,
            "logging_steps": 1,
            # A loss that is not a number ends the training; averaged away, it would go unseen.
            "logging_nan_inf_filter": False,
            "save_strategy": "steps",
            "remove_unused_columns": False,
            "dataloader_pin_memory": not on_cpu,
        }


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

    def __init__(
        self,
        log: StepLog,
        row: Callable[[TrainerState, dict[str, float]], StepRow],
        on_step: Callable[[int, int, float], None],
        on_save: Callable[[int], None],
    ) -> None:
        """row: a step's row of figures, from what the trainer logs of it."""
        self.log = log
        self.row = row
        self.on_step = on_step
        self.saved = on_save

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **_: Any,
    ) -> None:
        """Takes down a step's figures."""
        if "loss" not in logs or not state.is_world_process_zero:
            return
        if not math.isfinite(logs["loss"]):
            raise DalignError(
                f"the loss of step {state.global_step} is {logs['loss']}; lower the learning rate"
            )
        self.log.append(self.row(state, logs))
        self.on_step(state.global_step, state.max_steps, logs["loss"])

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Completes a checkpoint, after what the caller keeps beside it."""
        if not state.is_world_process_zero:
            return
        self.saved(state.global_step)
        root = Path(args.output_dir or "")
        mark_complete(root / f"checkpoint-{state.global_step}")
        prune(root)


def train(trainer: Trainer, recorder: Recorder, resume: Path | None) -> None:
    """Runs a trainer from its checkpoint, with no output of its own."""
    trainer.create_model_card = lambda *_, **__: None
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(recorder)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))


def resume_point(checkpoints: Path, log: StepLog) -> tuple[Path | None, int]:
    """The checkpoint to go on from and its step, the log cut to it; (None, 0) for a fresh start."""
    checkpoint = newest_complete(checkpoints)
    step = 0 if checkpoint is None else step_of(checkpoint)
    log.cut(step)
    return checkpoint, step


def publish(model: PreTrainedModel, start: Start, out: Path) -> None:
    """Writes `out/final`, whole or not at all, and removes the checkpoints."""
    partial = out / "final.partial"
    shutil.rmtree(partial, ignore_errors=True)
    torch.nn.Module.to(model, start.weights_dtype)
    # What TRL adds to the config says how it was trained, not what it is.
    model.model_tags = None
    model.save_pretrained(str(partial))
    copy_tokenizer(start.path, partial)
    os.replace(partial, out / "final")
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


def finished(out: Path) -> TrainResult | None:
    """The result of a training that has ended, if `out` holds one."""
    if not (out / "final").is_dir():
        return None
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return TrainResult(out / "final", StepLog(out / "steps.jsonl").rows())
