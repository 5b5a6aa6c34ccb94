"""What a training is given, and what it gives back. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from dalign import config
from dalign.rows import Message, Prompt
from dalign.train.rl.rewards import Reward

StepRow = Mapping[str, float | int | None]
# Gets the step, the number of steps and the step's loss.
OnStep = Callable[[int, int, float], None]
# Token ids of a sequence, and its labels (-100: not trained).
ReplayRow = tuple[Sequence[int], Sequence[int]]


class TrainResult(NamedTuple):
    """Where the trained checkpoint lies, and one row of figures a step."""

    final: Path
    curve: tuple[StepRow, ...]


class Rollout(NamedTuple):
    """A completion made in training, what it was paid, and its advantage over its group; None where its group was drawn again."""

    prompt_id: str
    text: str
    tokens: int
    reward: Reward
    advantage: float | None


class Taught(NamedTuple):
    """A completion that distillation was done on. divergence: from the teacher, the mean of its tokens in nats; flips: tokens
    of which the teacher would have had another one most likely."""

    prompt_id: str
    text: str
    tokens: int
    divergence: float
    flips: int


class Keeper:
    """What a caller keeps beside a training, in step with its checkpoints: nothing, as it stands.

    Called on one process only, however many train.
    """

    def rollouts(self, step: int, rollouts: Sequence[Rollout]) -> None:
        """Takes a step's rollouts, before its update."""

    def taught(self, step: int, completions: Sequence[Taught]) -> None:
        """Takes a step's completions of a distillation, before its update."""

    def save(self, step: int) -> None:
        """Called while a checkpoint is written, which counts only once this has returned."""

    def resume(self, step: int) -> None:
        """Called before the first step with the step gone on from, 0 for a fresh start.

        Whatever was kept of later steps happens again, the same.
        """


class Tracking(NamedTuple):
    """Where a training's figures go beside its own curve: see `trackers`. folder: for what they keep; name: of the training, for people."""

    names: tuple[str, ...]
    folder: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What makes a training this one and no other.

    start: the checkpoint's folder. dtype: the type of the result's weights; training itself keeps float32 ones. attention: see
    `config.Model`.
    devices: so many train together, a process on each (see `launch`). threads: of each of those processes. tracking: makes no other
    training of it.
    """

    start: Path
    seed: int
    device: str = "cpu"
    dtype: str = "float32"
    trust_remote_code: bool = False
    attention: config.Attention = config.USUAL_ATTENTION
    devices: int = 1
    threads: int = 1
    tracking: Tracking | None = None


@dataclass(frozen=True, kw_only=True)
class SftJob(Job):
    """What SFT trains on what.

    rows: Parquet files of packed rows; list columns `input_ids`, `labels` (-100: not trained) and
    `position_ids` (from 0 in every sequence). benign: ids of the training rows (list column `rows`) on which the model is held to
    its start, by `settings.kl_weight`.
    """

    rows: Sequence[Path]
    settings: config.Sft
    benign: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class RlJob(Job):
    """What RL trains on what.

    prompts: of each step the prompts that it samples completions of, `settings.steps` times `settings.prompts_per_step`
    (see `train.draw.draw_prompts`). replayed: of each step the SFT sequences whose loss is added, weighted by
    `settings.replay` (see `replay.read_replayed`); empty (RL from the base): nothing is replayed. day: see `models.render.Renderer`.
    """

    prompts: Sequence[Sequence[Prompt]]
    settings: config.Rl
    reasoning: config.Reasoning = field(default_factory=config.Reasoning)
    day: date | None = None
    replayed: Sequence[Sequence[ReplayRow]] = ()


@dataclass(frozen=True, kw_only=True)
class DistillJob(Job):
    """What distillation trains on what.

    prompts: of each step those that it completes, `settings.steps` times `settings.prompts_per_step`. in_sight: of each
    prompt, by its id, the conversation that the teacher reads, the policy in it. day: see `models.render.Renderer`.
    """

    prompts: Sequence[Sequence[Prompt]]
    in_sight: Mapping[str, tuple[Message, ...]]
    settings: config.Distill
    reasoning: config.Reasoning = field(default_factory=config.Reasoning)
    day: date | None = None
