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
import dalign.train.rl.draw, dalign.train.rl.losses, dalign.train.rl.replay, dalign.train.rl.rewards
print([name for name in ("torch", "transformers", "trl", "accelerate") if name in sys.modules])
"""


def test_jobs_and_the_ways_in_load_no_torch():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_argument_of_a_trainer_is_one_that_the_installed_transformers_warns_of(tmp_path):
    pytest.importorskip("trl")
    from dalign.config import Sft
    from dalign.train.job import SftJob
    from dalign.train.session import common_arguments
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.sft_config import SFTConfig

    job = SftJob(
        start=tmp_path, rows=tmp_path, out=tmp_path, settings=Sft.model_validate({}), seed=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        for kind in (SFTConfig, GRPOConfig):
            arguments = kind(**common_arguments(job))
            assert arguments.gradient_checkpointing is False


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
