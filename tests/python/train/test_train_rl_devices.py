"""RL on two devices: the rollouts, rewards and weights of one; the judge is asked where the training is led."""

from __future__ import annotations

import json
import os
import signal

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.errors import InputError, WorkerError
from dalign.rows import Expected, Prompt, Section
from dalign.train import wire
from dalign.train.draw import check_split
from dalign.train.job import Keeper, Rollout
from dalign.train.rl.completeness import completeness
from dalign.train.rl.rewards import CompositeReward, Reward, RewardWeights
from dalign.train.run import train_rl
from process_table import of_training
from rl_jobs import TAGS, WordJudge, rl_job, settings
from test_train_devices import SEVERAL, furthest
from tiny import assert_same_weights, quietly, taught

SECTIONS = (
    Section("Dose", ("amount",), contains=(("mg", "milligrams"), ("daily",)), weight=2.0),
    Section("Risks", pattern="(?i)^risk"),
)
PROMPT = Prompt(
    "p", "general", ({"role": "user", "content": "é"},), "train", Expected("comply", None, "x"), SECTIONS, True, (("b", "2"), ("a", "1")),
)  # fmt: skip


def test_a_job_of_rl_is_heard_as_it_was_said(tmp_path):
    plain = Prompt("q", "general", ({"role": "user", "content": "a"},))
    valid = settings(prompts_per_step=2, steps=1)
    job, _ = rl_job(tmp_path, tmp_path, valid, prompts=[PROMPT, plain], replay=taught()[:2])
    assert wire.load_rl(json.loads(json.dumps(wire.dump_rl(job)))) == job


@pytest.mark.parametrize("sections", [(), SECTIONS])
def test_a_rollout_is_heard_as_it_was_said(sections):
    complete = completeness("Dose: 5 mg", sections)
    reward = Reward("ok", "why", "Dose: 5 mg", None, 0.25, complete, 0.5)
    rollout = Rollout("p", "an é", 3, reward, None)
    assert wire.load_rollout(json.loads(json.dumps(rollout))) == rollout


@pytest.mark.parametrize(
    ("devices", "changes", "said"),
    [
        (3, {}, "run.devices = 3: it does not divide the 4 groups of an RL step .*set it to 2"),
        (8, {}, "run.devices = 8: .*set it to 4"),
        (2, {"rows_per_pass": 16}, "rl.rows_per_pass = 16 does not divide the 8 .*set it to 8"),
    ],
)
def test_groups_that_cannot_be_dealt_evenly_are_refused(devices, changes, said):
    step = settings(prompts_per_step=4, group_size=4, **changes)
    with pytest.raises(InputError, match=said):
        check_split(step, devices)
    check_split(settings(prompts_per_step=4, group_size=4, rows_per_pass=4), 2)


class Kept(Keeper):
    """Notes what it is told, in its order."""

    def __init__(self):
        self.told, self.rolled = [], []

    def rollouts(self, step, rollouts):
        self.told.append(step)
        self.rolled += rollouts

    def save(self, step):
        self.told.append(f"save {step}")

    def resume(self, step):
        self.told.append(f"resume {step}")


def trained(start, out, devices, kept):
    """A training with all that RL has; the judge's questions, and the result."""
    given = settings(beta=0.05, replay=0.5, replay_rows=3, redraws=1, rows_per_pass=2)
    job, out = rl_job(start, out, given, replay=taught()[:5], devices=devices)
    judge = WordJudge()
    reward = CompositeReward(judge, RewardWeights(1.0, 0.0, 0.5), TAGS)
    return judge.seen, train_rl(job, out, reward, quietly, kept)


@pytest.fixture(scope="module")
def together(taught_model, tmp_path_factory):
    """A training of two processes that nothing disturbed: what was kept, what the judge was asked, the result."""
    kept = Kept()
    return kept, *trained(taught_model, tmp_path_factory.mktemp("together") / "two", 2, kept)


@SEVERAL
def test_two_processes_come_to_the_rollouts_and_the_weights_of_one(
    taught_model, tmp_path, together
):
    kept, (of_two, asked, two) = Kept(), together
    seen, one = trained(taught_model, tmp_path / "one", 1, kept)
    assert furthest(taught_model, one.final) > 1e-3
    assert furthest(one.final, two.final) < 1e-5
    assert asked == seen
    assert of_two.told == kept.told == ["resume 0", 1, 2, "save 2", 3, 4, "save 4"]
    assert any(rollout.advantage is None for rollout in kept.rolled)
    for alone, both in zip(kept.rolled, of_two.rolled, strict=True):
        assert both._replace(advantage=None) == alone._replace(advantage=None)
        assert both.advantage == pytest.approx(alone.advantage)
    for alone, both in zip(one.curve, two.curve, strict=True):
        same = ("step", "reward", "judged", "malformed", "completion_tokens", "redrawn", "replay_loss", "loss", "grad_norm")  # fmt: skip
        for figure in same:
            assert both[figure] == pytest.approx(alone[figure], rel=1e-4, abs=1e-6), figure


class KilledAt3(Kept):
    """Ends the second of the processes while a step's rollouts are kept."""

    def rollouts(self, step, rollouts):
        super().rollouts(step, rollouts)
        if step == 3:
            os.kill(of_training(os.getpid())[1], signal.SIGKILL)


@SEVERAL
def test_a_killed_process_of_rl_ends_it_and_going_on_ends_in_the_same_bytes(
    taught_model, tmp_path, together
):
    with pytest.raises(WorkerError, match=r"process 1 of the 2 .*signal 9.*goes on from here"):
        trained(taught_model, tmp_path / "killed", 2, KilledAt3())
    kept = Kept()
    _, resumed = trained(taught_model, tmp_path / "killed", 2, kept)
    assert kept.told == ["resume 2", 3, 4, "save 4"]
    assert_same_weights(together[2].final, resumed.final)
