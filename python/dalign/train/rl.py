"""Reinforcement learning with a reward that sees the answer alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dalign import config
from dalign.rows import Prompt
from dalign.train.result import TrainResult, require_packages
from dalign.train.rewards import CompositeReward, Reward
from dalign.train.sft import OnStep

# Token ids of a sequence, and its labels (-100: not trained).
ReplayRow = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class Rollout:
    """A completion made in training, what it was paid, and its advantage over its group."""

    prompt_id: str
    text: str
    tokens: int
    reward: Reward
    advantage: float


def default_reasoning() -> config.Reasoning:
    """Reasoning between the default tags."""
    return config.Reasoning.model_validate({})


def no_step(step: int) -> None:
    """Does nothing: for jobs whose caller keeps no state of its own."""


def no_rollouts(step: int, rollouts: Sequence[Rollout]) -> None:
    """Does nothing: for callers that do not look at rollouts."""


@dataclass(frozen=True)
class RlJob:
    """What RL trains on what.

    replay_rows: SFT sequences whose loss is added, weighted by settings.replay; without any (RL
    from the base) nothing is replayed. out: the folder of the training.
    on_rollouts: gets each step's rollouts. on_save(step): called while a checkpoint is written,
    which counts only once it has returned. on_resume(step): called before the first step with the
    step gone on from, 0 for a fresh start; whatever the caller noted of later steps happens again,
    the same.
    """

    start: Path
    prompts: Sequence[Prompt]
    out: Path
    settings: config.Rl
    seed: int
    reasoning: config.Reasoning = field(default_factory=default_reasoning)
    replay_rows: Sequence[ReplayRow] = ()
    device: str = "cpu"
    dtype: str = "float32"
    trust_remote_code: bool = False
    on_rollouts: Callable[[int, Sequence[Rollout]], None] = no_rollouts
    on_save: Callable[[int], None] = no_step
    on_resume: Callable[[int], None] = no_step


def train_rl(job: RlJob, reward: CompositeReward, on_step: OnStep) -> TrainResult:
    """Trains, or goes on where a killed training stood, and returns the checkpoint `out/final` and
    the curve.

    Each step samples a group of completions a prompt and makes one update on them: the policy
    gradient with reward − mean(group) as advantage, averaged over a completion's tokens, then over
    completions (GRPO, Shao et al. 2024; not divided by the standard deviation unless scale_rewards
    says so). A completion without a reward is left out of its group's mean and moves nothing.

    A row of the curve: step, loss, learning_rate, grad_norm, reward (mean of those there are; None
    without any), judged (share of the completions with an answer that the judge scored; None where
    it was not asked), malformed (share), completion_tokens (mean), advantage_groups (share of
    groups in which rewards differ), entropy (nats a token), kl and replay_loss where they are used.
    A resumed training ends in the same weights, bit by bit, as one that nothing disturbed (on a
    CPU).
    Raises InputError for prompts or replay rows that cannot be used, and for a folder that holds
    another job.
    """
    require_packages()
    from dalign.train.rl_run import run

    return run(job, reward, on_step)
