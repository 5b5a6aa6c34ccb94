"""Ctrl-C in the middle of the stages: it answers within two seconds, and the same command goes on to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dalign.cli.interrupt import CODE, STOPPED
from test_kill import PATIENCE_S, command, exists, lines_in, run_to_end

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

SOON_S = 2.0
# What shows that a stage is in the middle of its work; the last is written while the page is.
MOMENTS = {
    "start": exists(".lock"),
    "generate": lines_in("generate/main/journal.jsonl"),
    "judge": lines_in("judge/main/journal.jsonl"),
    "sft": exists("sft/sft/checkpoints/checkpoint-*"),
    "rl": exists("rl/sft+rl/checkpoints/checkpoint-*"),
    # Of an arm that needs the whole training: what an earlier call left is not there.
    "evaluate": exists("evaluate/sft+rl/inputs.json"),
}


def interrupt(run: Path, is_there: Callable[[Path], bool], times: int) -> tuple[int, str, float]:
    """Exit code, stderr and seconds of a run that is stopped in the middle."""
    process = subprocess.Popen(
        command(run), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE_S
    try:
        while not is_there(run):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.005)
        began = time.monotonic()
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        told = process.communicate(timeout=60)[1]
        return process.returncode, told, time.monotonic() - began
    finally:
        process.kill()


@pytest.mark.parametrize("times", [1, 2])
def test_every_stage_answers_ctrl_c_and_the_same_command_goes_on(
    tmp_path: Path, times: int
) -> None:
    run = tmp_path / "run"
    for stage, is_there in MOMENTS.items():
        code, told, took_s = interrupt(run, is_there, times)
        assert code == CODE, (stage, told)
        assert STOPPED in told and "Traceback" not in told, (stage, told)
        assert took_s < SOON_S, stage
    run_to_end(run)
    assert (run / "report.html").is_file()
    assert list(run.rglob("*.tmp")) == []
