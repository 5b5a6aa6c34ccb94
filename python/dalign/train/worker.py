"""A process of several that train: `python -m dalign.train.worker DESCRIPTOR`, which `launch` starts.

DESCRIPTOR is its end of the line to the process that leads; see `wire`. Its place among the others is in the environment,
as launchers have it. The first of them asks the leader for rewards, and tells it what is kept beside a training.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dalign.errors import WorkerError
from dalign.rows import Prompt
from dalign.train import wire
from dalign.train.job import Keeper, Rollout, Taught
from dalign.train.rl.rewards import Reward, RewardWeights
from dalign.train.run import train_distill, train_rl, train_sft


def main() -> int:
    """The exit code: 0 where the training ended well."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    line = wire.Line(descriptor)
    said = line.hear()
    if said is None:
        return 1
    try:
        train(said, line)
    except Exception as error:  # noqa: BLE001 - raised by the process that leads
        line.say({"raised": wire.dump_error(error)})
        return 1
    line.say({"ended": True})
    return 0


def train(said: wire.Value, line: wire.Line) -> None:
    """Trains as it was told; steps are told by the first process."""
    import torch

    def on_step(step: int, total: int, loss: float) -> None:
        line.say({"step": (step, total, loss)})

    out = Path(said["out"])
    if "sft" in said:
        sft = wire.load_sft(said["sft"])
        torch.set_num_threads(sft.threads)
        train_sft(sft, out, on_step)
        return
    if "distill" in said:
        distill = wire.load_distill(said["distill"])
        torch.set_num_threads(distill.threads)
        train_distill(distill, out, on_step, RemoteKeeper(line))
        return
    rl = wire.load_rl(said["rl"])
    torch.set_num_threads(rl.threads)
    weights = RewardWeights(*said["weights"])
    train_rl(rl, out, RemoteReward(line, weights), on_step, RemoteKeeper(line))


def ask(line: wire.Line, what: str, *given: Any) -> Any:
    """What the leader answers. Raises WorkerError where it is gone."""
    line.say({"ask": what, "given": given})
    heard = line.hear()
    if heard is None:
        raise WorkerError("the process that leads this training is gone; the same command goes on from here")  # fmt: skip
    return heard["answered"]


class RemoteReward:
    """Rewards as the leader gives them, which alone has the judge."""

    def __init__(self, line: wire.Line, weights: RewardWeights) -> None:
        self._line, self.weights = line, weights

    def __call__(
        self,
        prompts: Sequence[Prompt],
        texts: Sequence[str],
        truncated: Sequence[bool],
        tokens: Sequence[int],
    ) -> list[Reward]:
        """See `rewards.RewardFunction`."""
        names = [prompt.id for prompt in prompts]
        given = ask(self._line, "rewards", names, texts, truncated, tokens)
        return [*map(wire.load_reward, given)]


class RemoteKeeper(Keeper):
    """What the leader keeps beside a training."""

    def __init__(self, line: wire.Line) -> None:
        self._line = line

    def rollouts(self, step: int, rollouts: Sequence[Rollout]) -> None:
        """See `Keeper`, as the others."""
        ask(self._line, "rollouts", step, rollouts)

    def taught(self, step: int, completions: Sequence[Taught]) -> None:
        """See `Keeper`, as the others."""
        ask(self._line, "taught", step, completions)

    def save(self, step: int) -> None:
        """Returns once the leader has."""
        ask(self._line, "save", step)

    def resume(self, step: int) -> None:
        """Returns once the leader has."""
        ask(self._line, "resume", step)


if __name__ == "__main__":
    sys.exit(main())
