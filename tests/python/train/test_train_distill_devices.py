"""Distillation on several devices: the completions and the weights of one, and what a kill costs."""

from __future__ import annotations

import json
import os
import signal
from datetime import date

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.errors import InputError, WorkerError
from dalign.train import wire
from dalign.train.draw import check_split
from dalign.train.run import train_distill
from process_table import of_training
from test_train_devices import furthest
from test_train_distill import Kept, distill_job, settings
from tiny import assert_same_weights, quietly

# Each process imports all that trains: `make test-devices`.
SEVERAL = pytest.mark.devices


def test_a_job_of_distillation_is_heard_as_it_was_said(tmp_path):
    job = distill_job(tmp_path, settings(teacher="ema"), devices=2, day=date(2026, 11, 30))
    heard = wire.load_distill(json.loads(json.dumps(wire.dump_distill(job), default=str)))
    assert heard == job


@pytest.mark.parametrize(
    ("devices", "changes", "said"),
    [
        (3, {}, r"run.devices = 3: it does not divide the 4 completions of a step .*set it to 2"),
        (2, {"rows_per_pass": 4}, "distill.rows_per_pass = 4 does not divide the 2 .*set it to 2"),
    ],
)
def test_completions_that_cannot_be_dealt_evenly_are_refused(tmp_path, devices, changes, said):
    job = distill_job(tmp_path, settings(**changes))
    with pytest.raises(InputError, match=said):
        check_split(job.settings, devices)
    check_split(job.settings, 1)


def trained(start, out, devices, kept, on_step=quietly, **changes):
    given = settings(teacher="ema", ema_decay=0.5, rows_per_pass=1, **changes)
    return train_distill(distill_job(start, given, devices=devices), out, on_step, kept)


@SEVERAL
@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_come_to_the_completions_and_the_weights_of_one(
    random_model, tmp_path, method
):
    of_one, of_two = Kept(), Kept()
    one = trained(random_model, tmp_path / "one", 1, of_one, method=method)
    two = trained(random_model, tmp_path / "two", 2, of_two, method=method)
    assert furthest(random_model, one.final) > 1e-4
    assert furthest(one.final, two.final) < 1e-5
    for alone, both in zip(of_one.all, of_two.all, strict=True):
        assert (both.prompt_id, both.text, both.flips) == (alone.prompt_id, alone.text, alone.flips)
        assert both.divergence == pytest.approx(alone.divergence, rel=1e-4, abs=1e-7)
    for alone, both in zip(one.curve, two.curve, strict=True):
        assert both == pytest.approx(alone, rel=1e-4, abs=1e-6)


@SEVERAL
def test_a_killed_process_ends_it_and_going_on_ends_in_the_same_bytes(random_model, tmp_path):
    undisturbed = trained(random_model, tmp_path / "a", 2, Kept())

    def kill(step, total, loss):
        if step == 3:
            os.kill(of_training(os.getpid())[1], signal.SIGKILL)

    with pytest.raises(WorkerError, match=r"process 1 of the 2 .*signal 9.*goes on from here"):
        trained(random_model, tmp_path / "b", 2, Kept(), kill)
    resumed = trained(random_model, tmp_path / "b", 2, Kept())
    assert_same_weights(undisturbed.final, resumed.final)
    assert resumed.curve == undisturbed.curve
