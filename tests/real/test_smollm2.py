"""The whole run on a real pretrained model and real English: nothing depends on the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from dalign.store.parts import Table

pytestmark = [pytest.mark.real, pytest.mark.timeout(2400)]

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests" / "data" / "real" / "dalign.toml"


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    """The converted checkpoint; `make test-real` made it."""
    path = Path(os.environ["DALIGN_REAL_MODEL"])
    assert (path / "model.safetensors").is_file(), (
        f"{path} holds no checkpoint; run `make test-real`"
    )
    return path


@pytest.fixture(scope="module")
def finished(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The run's folder and what it said."""
    run = Path(os.environ.get("DALIGN_REAL_RUN") or tmp_path_factory.mktemp("real") / "run")
    command = [
        sys.executable,
        "-c",
        "from dalign.cli import main; main()",
        "run",
        str(CONFIG),
        "--run",
        str(run),
        "--set",
        f"model.path={checkpoint}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return run, done.stderr


def test_every_stage_ran_and_left_its_rows(finished: tuple[Path, str]) -> None:
    run, _ = finished
    results = json.loads((run / "results.json").read_text())
    names = [f"{s['stage']}/{s['variant']}" for s in results["stages"]]
    assert names == [
        "generate/main", "filter/main", "judge/main", "select/main", "pack/main", "sft/sft", "rl/sft+rl",
        "evaluate/none", "evaluate/sft", "evaluate/sft+rl",
    ]  # fmt: skip
    prompts = len((CONFIG.parent / "prompts.jsonl").read_text().splitlines())
    assert Table(run / "generate/main").height() == 2 * prompts
    assert (run / "report.html").stat().st_size > 10_000


def test_the_probe_names_the_system_message_that_the_template_inserts(
    finished: tuple[Path, str],
) -> None:
    _, said = finished
    assert "inserts a system message" in said and "SmolLM" in said


def test_a_reply_without_a_score_is_a_state_and_never_selected(finished: tuple[Path, str]) -> None:
    run, _ = finished
    verdicts = Table(run / "judge/main").frame()
    assert verdicts.filter((pl.col("state") != "ok") & pl.col("score").is_not_null()).is_empty()
    assert verdicts.filter((pl.col("state") == "ok") & pl.col("score").is_null()).is_empty()
    scores = dict(
        Table(run / "judge/main", "scores").frame().select("completion_id", "score").iter_rows()
    )
    chosen = Table(run / "select/main").frame()["completion_id"].to_list()
    assert all(scores[row] is not None and scores[row] >= 7.0 for row in chosen)


def test_what_falls_short_of_the_quota_is_said_in_words(finished: tuple[Path, str]) -> None:
    run, said = finished
    short = json.loads((run / "select/main/manifest.json").read_text())["counts"]["short"]
    for name, count in short.items():
        assert f"warning: category '{name}' has {count} examples, select.quota = 2" in said


def test_training_was_not_empty(finished: tuple[Path, str]) -> None:
    run, _ = finished
    packed = json.loads((run / "pack/main/manifest.json").read_text())["counts"]
    assert packed["trained_tokens"] > 0
    assert len(json.loads((run / "sft/sft/curve.json").read_text())) == 4
    assert (run / "sft/sft/adapter").is_dir()


def test_a_missing_grade_is_counted_and_not_scored(finished: tuple[Path, str]) -> None:
    run, _ = finished
    results = json.loads((run / "results.json").read_text())
    for arm in ("none", "sft", "sft+rl"):
        grades = Table(run / f"evaluate/{arm}", "grades").frame()
        for row in (r for r in results["rows"] if r["arm"] == arm):
            mine = grades.filter(
                (pl.col("metric") == row["metric"]) & (pl.col("grader") == row["grader"])
            )
            assert row["n"] == mine["grade"].count()
            assert (row["value"] is None) == (row["n"] == 0)
