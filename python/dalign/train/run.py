"""The ways into training: SFT, distillation and RL. torch is imported once a training starts, not before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dalign.config import Model
from dalign.figures import FlipRow
from dalign.models.checkpoint import check_installed
from dalign.rows import Prompt
from dalign.train.job import DistillJob, Keeper, OnStep, RlJob, SftJob, TrainResult
from dalign.train.ranks import is_one_of
from dalign.train.rl.rewards import RewardFunction

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def check_packages() -> None:
    """Nothing, if a training can be started here; nothing is loaded. Raises MissingExtraError."""
    for package in PACKAGES:
        check_installed(package, "training")


def train_sft(job: SftJob, out: Path, on_step: OnStep) -> TrainResult:
    """Trains, or goes on where a killed training stood, and returns the checkpoint `out/final` and the curve.

    out: the folder of the training (see `checkpoints`). A row of the curve: step, loss, learning_rate, tokens (so far, the untrained ones included), grad_norm. A resumed
    training ends in the same weights, bit by bit, as one that nothing disturbed (on a CPU).
    With `job.devices` of more than one, as many processes are started, which end with this one.
    Raises InputError for rows that cannot be trained on, for a folder that holds another job, and where other
    processes train; WorkerError where one of them is gone.
    """
    check_packages()
    if job.devices > 1 and not is_one_of(job.devices):
        # Imported here: the processes that it starts begin at this module.
        from dalign.train.launch import lead_sft

        return lead_sft(job, out, on_step)
    from dalign.train.sft import run_sft

    return run_sft(job, out, on_step)


def kl_from(
    base: Path, trained: Path, model: Model, rows: Sequence[tuple[list[int], list[int]]]
) -> Iterator[tuple[int, float]]:
    """See `dalign.train.held_out.token_divergences`."""
    check_packages()
    from dalign.train.held_out import token_divergences

    return token_divergences(base, trained, model, rows)


def train_distill(
    job: DistillJob, out: Path, on_step: OnStep, keeper: Keeper | None = None
) -> TrainResult:
    """Trains, or goes on where a killed training stood, and returns the checkpoint `out/final` and the curve.

    out: the folder of the training (see `checkpoints`). Each step draws completions of its prompts without the policy, and
    makes one update towards what the teacher says of their tokens with the policy in sight.

    A row of the curve: step, loss (the mean divergence of a token, in nats), learning_rate, grad_norm, tokens (of the step's completions), completion_tokens
    (their mean), flip_rate (share of the tokens of which the teacher has another one most likely), truncated (share of the completions).
    A resumed training ends in the same weights, bit by bit, as one that nothing disturbed (on a CPU).
    Raises InputError for prompts that cannot be used, or whose teacher's conversation leaves no room for a completion, for a
    folder that holds another job, and where other processes train; WorkerError where one of several is gone.
    """
    check_packages()
    if job.devices > 1 and not is_one_of(job.devices):
        from dalign.train.launch import lead_distill

        return lead_distill(job, out, on_step, keeper or Keeper())
    from dalign.train.distill.run import run_distill

    return run_distill(job, out, on_step, keeper or Keeper())


def teacher_flips(job: DistillJob, prompts: Sequence[Prompt]) -> list[FlipRow]:
    """What the policy changes at the start, on a completion of each of these prompts: a row for each category and clause.

    The clauses that prompts are labelled by tell them apart, and decide nothing. Raises InputError as `train_distill` does.
    """
    check_packages()
    from dalign.train.distill.flips import measured_flips

    return measured_flips(job, prompts) if prompts else []


def train_rl(
    job: RlJob, out: Path, reward: RewardFunction, on_step: OnStep, keeper: Keeper | None = None
) -> TrainResult:
    """Trains, or goes on where a killed training stood, and returns the checkpoint `out/final` and the curve.

    out: the folder of the training (see `checkpoints`). Each step samples a group of completions a prompt and makes one update on them: the policy gradient with reward −
    mean(group) as advantage (not divided by the standard deviation unless scale_rewards says so), by the job's loss. A
    completion without a reward is left out of its group's mean and moves nothing.

    A row of the curve: step, loss, learning_rate, grad_norm, reward (mean of those there are; None without any), judged
    (share of the completions with an answer that the judge scored; None where it was not asked), malformed and truncated (shares),
    completion_tokens (mean), advantage_groups (share of groups in which rewards differ), redrawn (share of the completions whose groups were drawn again), entropy (nats a token), kl and
    replay_loss where they are used.
    A resumed training ends in the same weights, bit by bit, as one that nothing disturbed (on a CPU).
    With `job.devices` of more than one, as many processes are started, which end with this one; reward and keeper are
    called here. Raises InputError for prompts or replay rows that cannot be used, for a loss that is not known, for a folder that
    holds another job, and where other processes train; WorkerError where one of them is gone.
    """
    check_packages()
    if job.devices > 1 and not is_one_of(job.devices):
        from dalign.train.launch import lead_rl

        return lead_rl(job, out, reward, on_step, keeper or Keeper())
    from dalign.train.rl.run import run_rl

    return run_rl(job, out, reward, on_step, keeper or Keeper())
