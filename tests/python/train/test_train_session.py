"""What every training shares: its arguments, and that the ways in are light."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import dataclass

import pytest

LIGHT = """
import sys
import dalign.train.run, dalign.train.job, dalign.train.ranks, dalign.train.checkpoints
import dalign.train.draw, dalign.train.rl.losses, dalign.train.rl.replay, dalign.train.rl.rewards
print([name for name in ("torch", "transformers", "trl", "accelerate") if name in sys.modules])
"""


def test_jobs_and_the_ways_in_load_no_torch():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_argument_of_a_trainer_is_one_that_the_installed_transformers_warns_of(tmp_path):
    pytest.importorskip("trl")
    from dalign.config import Sft
    from dalign.train.job import SftJob
    from dalign.train.session import arguments_of
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.sft_config import SFTConfig

    job = SftJob(start=tmp_path, rows=[tmp_path], settings=Sft.model_validate({}), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        for kind in (SFTConfig, GRPOConfig):
            assert arguments_of(kind, job, tmp_path).gradient_checkpointing is False


@dataclass
class Older:
    gradient_checkpointing: bool = False


@dataclass
class Newer(Older):
    activation_checkpointing: bool | None = None


@pytest.mark.parametrize(
    ("arguments", "name"), [(Older, "gradient_checkpointing"), (Newer, "activation_checkpointing")]
)
def test_checkpointing_is_asked_for_by_the_name_that_transformers_has(monkeypatch, arguments, name):
    pytest.importorskip("trl")
    from dalign.train import session

    monkeypatch.setattr(session, "TrainingArguments", arguments)
    assert session.checkpointing_argument() == name


def test_the_learning_rate_rises_in_a_line_and_falls_in_one_or_stays():
    pytest.importorskip("trl")
    from dalign.train.session import rate_factor

    falls = [rate_factor(step, warmup=3, total=7, final=0.1) for step in range(7)]
    # Up by quarters; from 1 down by 0.9 over the three steps that follow.
    assert falls == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.7, 0.4, 0.1])
    stays = [rate_factor(step, warmup=3, total=5, final=1.0) for step in range(5)]
    assert stays == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_warm_up_is_at_most_a_tenth_of_the_steps():
    pytest.importorskip("trl")
    from dalign.train.session import warmup_of

    steps = [0, 1, 2, 9, 10, 99, 100, 336]
    assert [warmup_of(10, total) for total in steps] == [0, 0, 0, 0, 1, 9, 10, 10]
    assert warmup_of(0, 1000) == 0


def test_what_a_training_says_itself_goes_before_what_all_have(tmp_path):
    pytest.importorskip("trl")
    from dalign.config import Sft
    from dalign.train.job import SftJob
    from dalign.train.session import arguments_of
    from trl.trainer.sft_config import SFTConfig

    job = SftJob(start=tmp_path, rows=[tmp_path], settings=Sft.model_validate({}), seed=0)
    assert arguments_of(SFTConfig, job, tmp_path).weight_decay == 0.0
    assert arguments_of(SFTConfig, job, tmp_path, weight_decay=0.25).weight_decay == 0.25
