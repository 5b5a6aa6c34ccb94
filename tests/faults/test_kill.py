"""`kill -9` during generate, judge, sft and rl: the same command goes on, and ends in the same rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

PATIENCE_S = 240


def command(run: Path) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from dalign.cli import main; main()",
        "demo",
        str(run),
        "--smoke",
    ]


def run_to_end(run: Path) -> None:
    done = subprocess.run(
        command(run), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr


def lines_in(pattern: str) -> Callable[[Path], bool]:
    """Whether a file of that name holds a whole line."""
    return lambda run: any(
        path.read_bytes().count(b"\n") > 0 for path in run.glob(pattern) if path.is_file()
    )


def exists(pattern: str) -> Callable[[Path], bool]:
    return lambda run: any(run.glob(pattern))


# The stage, and what shows that it is in the middle of its work.
MOMENTS = [
    ("generate/main", lines_in("generate/main/journal.jsonl")),
    ("judge/main", lines_in("judge/main/journal.jsonl")),
    ("sft/sft", exists("sft/sft/checkpoints/checkpoint-*")),
    ("rl/sft+rl", exists("rl/sft+rl/checkpoints/checkpoint-*")),
]


def kill_during(
    run: Path, stage: str, is_there: Callable[[Path], bool], *, command: list[str]
) -> None:
    """Starts the command and kills it, with all its processes, in the middle of the stage."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE_S
    try:
        while not is_there(run):
            assert process.poll() is None, f"the run ended before {stage} was seen at work"
            assert time.monotonic() < deadline, (
                f"{stage} was not seen at work within {PATIENCE_S} s"
            )
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (run / stage / "manifest.json").exists(), f"{stage} had finished before the kill"


def outcome(run: Path) -> dict[str, Any]:
    """Everything that a run leaves, times and memory aside."""
    tables = {
        str(path.relative_to(run)): pl.read_parquet(path).rows()
        for path in sorted(run.rglob("*.parquet"))
        if "checkpoints" not in path.parts
    }
    manifests = {
        str(path.relative_to(run)): json.loads(path.read_text())["output_sha256"]
        for path in sorted(run.rglob("manifest.json"))
    }
    results = json.loads((run / "results.json").read_text())
    costs = ("wall_s", "cpu_s", "peak_rss_mib")
    stages = [
        {key: value for key, value in stage.items() if key not in costs}
        for stage in results["stages"]
    ]
    weights = {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.glob("*/*/final/model.safetensors"))
    }
    kept = {key: value for key, value in results.items() if key not in ("elapsed_s", "stages")}
    return {
        "tables": tables,
        "manifests": manifests,
        "results": kept,
        "stages": stages,
        "weights": weights,
    }


def test_a_run_killed_in_four_stages_ends_in_the_same_rows_as_an_undisturbed_one(
    tmp_path: Path, undisturbed: Path
) -> None:
    killed = tmp_path / "killed"
    for stage, is_there in MOMENTS:
        kill_during(killed, stage, is_there, command=command(killed))
    run_to_end(killed)
    wanted, found = outcome(undisturbed), outcome(killed)
    assert wanted["manifests"].keys() == found["manifests"].keys()
    for name, rows in wanted["tables"].items():
        assert found["tables"][name] == rows, name
    assert found == wanted
    assert len(wanted["weights"]) == 3
