"""How processes that train are led: they end with their leader, and with each other. What they do is not looked at here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dalign.config import Sft
from dalign.errors import InputError, WorkerError
from dalign.train import launch, wire
from dalign.train.job import SftJob
from process_table import of_training

# In the place of what trains: says a step, then does as the job's seed has it.
STAND_IN = """
import os, sys, time
from pathlib import Path
from dalign.errors import InputError
from dalign.train import wire
line = wire.Line(int(sys.argv[1]))
said = line.hear()
does, is_first, failed = said["sft"]["seed"], os.environ["RANK"] == "0", Path(said["out"] + ".failed")
line.say({"step": [1, 2, 0.5]})
if does == 0:
    time.sleep(600)
if does == 4:
    line.say({"step": [2, 2, 0.25]})
    line.say({"ended": True})
    sys.exit()
if not is_first:
    if does == 2:
        line.say({"raised": wire.dump_error(InputError("a row is bad", kind="bad_row", row=7))})
    if does == 3:
        line.say({"raised": wire.dump_error(ZeroDivisionError("by zero"))})
    failed.touch()
    sys.exit("no room for it")
# The first one fails for what the other has met.
while not failed.exists():
    time.sleep(0.05)
line.say({"raised": wire.dump_error(RuntimeError("connection closed by peer"))})
"""
LEADER = """
import json, sys
from pathlib import Path
from dalign.train import launch, wire
launch.WORKER = "stand_in"
job = wire.load_sft(json.loads(sys.argv[1]))
launch.lead_sft(job, Path("out"), lambda *step: print(step[0], flush=True))
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """The folder of a module that does not train."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    monkeypatch.setattr(launch, "WORKER", "stand_in")
    return tmp_path


def job_of(folder: Path, does: int) -> SftJob:
    settings = Sft.model_validate({"method": "lora"})
    return SftJob(start=folder, rows=[folder / "rows"], settings=settings, seed=does, devices=2)


def test_a_job_of_sft_is_heard_as_it_was_said(tmp_path):
    job = job_of(tmp_path, 5)
    assert wire.load_sft(json.loads(json.dumps(wire.dump_sft(job)))) == job


def test_steps_are_told_until_all_have_ended(stand_in):
    told = []
    launch.lead_sft(job_of(stand_in, 4), stand_in / "out", lambda *step: told.append(step))
    assert sorted(told) == [(1, 2, 0.5)] * 2 + [(2, 2, 0.25)] * 2
    assert of_training(os.getpid(), "stand_in") == []


@pytest.mark.parametrize(
    ("does", "error", "said"),
    [
        (1, WorkerError, r"^process 1 of the 2 that train has ended by itself \(code 1: no room for it\); the same command goes on from here$"),
        (2, InputError, "^a row is bad$"),
        (3, WorkerError, "^process 1 of the 2 that train failed: ZeroDivisionError: by zero; the same command goes on from here\n"),
    ],
)  # fmt: skip
def test_what_one_fails_for_is_told_and_not_what_the_other_fails_for_then(stand_in, does, error, said):  # fmt: skip
    # What is matched has the notes too: a fault's trace.
    with pytest.raises(error, match=said) as caught:
        launch.lead_sft(job_of(stand_in, does), stand_in / "out", lambda *step: None)
    assert caught.value.kind == ("bad_row" if does == 2 else "worker")
    assert of_training(os.getpid(), "stand_in") == []


def test_a_kill_is_told_with_its_signal(stand_in):
    told = []

    def kill(*step):
        told.append(step)
        # Before each has said something, one may not have begun yet.
        if len(told) == 2:
            os.kill(of_training(os.getpid(), "stand_in")[1], signal.SIGKILL)

    with pytest.raises(WorkerError, match=r"^process 1 of the 2 that train was ended from outside, perhaps for want of memory \(signal 9\)"):  # fmt: skip
        launch.lead_sft(job_of(stand_in, 0), stand_in / "out", kill)
    assert of_training(os.getpid(), "stand_in") == []


def ends_within(pids: list[int], seconds: float) -> bool:
    """Whether these processes are gone by then."""
    until = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_the_processes_end_with_the_one_that_leads_them(stand_in, by):
    command = [sys.executable, "-c", LEADER, json.dumps(wire.dump_sft(job_of(stand_in, 0)))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as leader:  # fmt: skip
        try:
            assert [leader.stdout.readline() for _ in range(2)] == ["1\n", "1\n"]
            pids = of_training(leader.pid, "stand_in")
            assert len(pids) == 2
            leader.send_signal(by)
            leader.wait(60)
            assert ends_within(pids, 60.0)
        finally:
            leader.kill()
