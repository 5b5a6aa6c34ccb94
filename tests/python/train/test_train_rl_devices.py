"""RL on two devices: the rollouts, rewards and weights of one; the judge is asked where the training is led."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.errors import InputError
from dalign.rows import Expected, Prompt, Section
from dalign.train import wire
from dalign.train.job import Keeper, Rollout
from dalign.train.rl.completeness import completeness
from dalign.train.rl.draw import check_split
from dalign.train.rl.rewards import CompositeReward, Reward, RewardWeights
from dalign.train.run import train_rl
from test_train_devices import furthest
from test_train_rl import TAGS, WordJudge, rl_job, settings
from tiny import quietly, taught

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
    reward = Reward("ok", "why", "Dose: 5 mg", None, 0.25, complete)
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


@pytest.mark.slow
def test_two_processes_come_to_the_rollouts_and_the_weights_of_one(taught_model, tmp_path):
    given = settings(beta=0.05, replay=0.5, replay_rows=3, redraws=1, rows_per_pass=2)
    kept, found, judges = {}, {}, {}
    for devices in (2, 1):
        job, out = rl_job(taught_model, tmp_path / str(devices), given, replay=taught()[:5], devices=devices)  # fmt: skip
        judges[devices], kept[devices] = WordJudge(), Kept()
        reward = CompositeReward(judges[devices], RewardWeights(1.0, 0.0, 0.5), TAGS)
        found[devices] = train_rl(job, out, reward, quietly, kept[devices])
    assert furthest(taught_model, found[1].final) > 1e-3
    assert furthest(found[1].final, found[2].final) < 1e-5
    assert judges[2].seen == judges[1].seen
    assert kept[2].told == kept[1].told == ["resume 0", 1, 2, "save 2", 3, 4, "save 4"]
    assert any(rollout.advantage is None for rollout in kept[1].rolled)
    for alone, together in zip(kept[1].rolled, kept[2].rolled, strict=True):
        assert together._replace(advantage=None) == alone._replace(advantage=None)
        assert together.advantage == pytest.approx(alone.advantage)
    for alone, together in zip(found[1].curve, found[2].curve, strict=True):
        same = ("step", "reward", "judged", "malformed", "completion_tokens", "redrawn", "replay_loss", "loss", "grad_norm")  # fmt: skip
        for figure in same:
            assert together[figure] == pytest.approx(alone[figure], rel=1e-4, abs=1e-6), figure
