"""README's first project with a real model, step by step: no command that README does not name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from dalign.store.parts import Table
from readme import first_project

pytestmark = [pytest.mark.real, pytest.mark.timeout(5400)]

# So that two cores take minutes and not hours: a 135M model on a CPU reads the policy at every call.
SHORT = [
    "generate.max_new_tokens=96", "evaluate.max_new_tokens=48", "rl.max_new_tokens=48", "judge.max_new_tokens=48",
    "judge.k=1", "rl.judge_k=1", 'evaluate.arms=["none","sft+rl"]',
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with the model where README has it."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "models").mkdir()
    (folder / "models" / "mine").symlink_to(os.environ["DALIGN_REAL_MODEL"])
    return folder


def dalign(place: Path, *words: str) -> str:
    code = "from dalign.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=5000,
        check=False,
    )
    assert done.returncode == 0, f"dalign {' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_readmes_commands_lead_from_init_to_a_verified_report(place: Path) -> None:
    init, plan, trial, cost, whole, show, tokens, verify = first_project()
    assert whole[-2:] == ["--run", "runs/mine"]
    assert "'none'" in dalign(place, *init)
    assert "judgements at most" in dalign(place, *plan)
    assert not (place / "runs" / "mine").exists()
    short = [word for setting in SHORT for word in ("--set", setting)]
    dalign(place, *trial, "--allow-missing", *short)
    run = place / "runs" / "trial"
    assert (run / "report.html").stat().st_size > 10_000
    examples = Table(run / "select" / "main").frame()
    assert isinstance(examples.schema["messages"], pl.List)
    # The trial was shorter than the project that it is asked about.
    assert "in all at most about" in dalign(place, *cost)
    # The trial stands for the whole run, which takes a GPU. So small a model may end no answer in time: any row will do.
    row = Table(run / "generate" / "main").frame()["id"][0]
    assert row[:12] in dalign(place, show[0], row[:8], "--run", "runs/trial")
    packed = Table(run / "pack" / "main").frame()["input_ids"].list.len()[0]
    shown = dalign(place, *tokens[:2], "--run", "runs/trial", tokens[-1]).splitlines()
    assert shown[0].startswith(f"packed row 0: {packed} tokens in ")
    assert len(shown) == packed + 2
    assert "all as the run wrote them" in dalign(place, verify[0], "runs/trial")
    assert dalign(place, *trial, "--allow-missing", *short, "--dry-run").count("to run") == 0
