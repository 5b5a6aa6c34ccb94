"""A step's rollouts by group, and in figures."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from dalign.train.job import Rollout
from dalign.train.rl.rewards import Reward


def equal_groups(rewards: Sequence[Reward], group_size: int) -> list[int]:
    """The positions of the completions whose groups' rewards, where there are any, are equal."""
    values = [reward.value for reward in rewards]
    return [
        position
        for start in range(0, len(values), group_size)
        if len(set(values[start : start + group_size]) - {None}) < 2
        for position in range(start, start + group_size)
    ]


def step_figures(rollouts: Sequence[Rollout], group_size: int) -> dict[str, float | None]:
    """What a step's rollouts come to; see `dalign.train.run.train_rl`."""
    rewards = [rollout.reward for rollout in rollouts]
    values = [reward.value for reward in rewards if reward.value is not None]
    answers = [reward for reward in rewards if reward.status == "ok"]
    moves = [rollout.advantage != 0 for rollout in rollouts]
    groups = [moves[start : start + group_size] for start in range(0, len(moves), group_size)]
    return {
        "reward": fmean(values) if values else None,
        "judged": fmean(reward.judge is not None for reward in answers) if answers else None,
        "malformed": 1.0 - len(answers) / len(rewards),
        "completion_tokens": fmean(rollout.tokens for rollout in rollouts),
        "advantage_groups": fmean(any(group) for group in groups),
    }
