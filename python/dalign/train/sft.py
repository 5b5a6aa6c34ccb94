"""Supervised fine-tuning on packed rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign import config
from dalign.train.result import TrainResult, require_packages

OnStep = Callable[[int, int, float], None]


@dataclass(frozen=True)
class SftJob:
    """What SFT trains on what.

    rows: one packed row each, list columns `input_ids`, `labels` (-100: not trained) and
    `position_ids` (from 0 in every sequence), or a Parquet file of them. out: the folder of the
    training (see `checkpoints`).
    dtype: the type of the result's weights; training itself keeps float32 ones.
    """

    start: Path
    rows: pl.DataFrame | Path
    out: Path
    settings: config.Sft
    seed: int
    device: str = "cpu"
    dtype: str = "float32"
    trust_remote_code: bool = False


def train_sft(job: SftJob, on_step: OnStep) -> TrainResult:
    """Trains, or goes on where a killed training stood, and returns the checkpoint `out/final` and
    the curve.

    on_step gets the step, the number of steps and the step's loss. A row of the curve: step, loss,
    learning_rate, tokens (so far, the untrained ones included), grad_norm. A resumed training ends
    in the same weights, bit by bit, as one that nothing disturbed (on a CPU).
    Raises InputError for rows that cannot be trained on, and for a folder that holds another job.
    """
    require_packages()
    from dalign.train.sft_trainer import run

    return run(job, on_step)
