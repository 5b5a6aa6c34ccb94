"""Trackers that are not there, and such as fail; those themselves are tried by `make test-trackers`."""

from __future__ import annotations

import json

import pytest
from dalign.config import Sft
from dalign.errors import InputError
from dalign.train import trackers, wire
from dalign.train.job import SftJob, Tracking
from dalign.train.run import train_sft
from sandbox_model.tokenizer import build_tokenizer
from tiny import packed, written

END = build_tokenizer().eos_token_id
ROW = {"step": 3, "loss": 0.5, "kl": None, "tokens": 7}


class Noted(trackers.Tracker):
    """Keeps what it is told where anyone can see it; fails from a step on."""

    module_name = package = "json"
    told, fails_at = list[tuple[int, dict[str, float]]](), 99

    def begin(self, folder, name, first):
        self.told.append((first, {name: 0.0}))

    def log(self, step, figures):
        print("a tracker speaks")
        if step >= self.fails_at:
            raise OSError("no route\nto host")
        self.told.append((step, figures))

    def end(self, *, failed):
        self.told.append((-2 if failed else -1, {}))


@pytest.fixture
def noted(monkeypatch):
    monkeypatch.setitem(trackers.TRACKERS, "json", Noted)
    monkeypatch.setattr(Noted, "told", [])
    return Noted


def test_a_tracker_without_its_package_is_refused():
    with pytest.raises(InputError, match=r"^run\.trackers names 'wandb', and its package is not installed: pip install wandb, or leave it out") as caught:  # fmt: skip
        trackers.check_trackers(["wandb"])
    assert (caught.value.kind, caught.value.key) == ("missing_extra", "run.trackers")


def test_a_package_may_be_called_otherwise_than_its_tracker(noted, monkeypatch):
    monkeypatch.setitem(trackers.TRACKERS, "noted", noted)
    trackers.check_trackers(["noted"])
    monkeypatch.setattr(noted, "package", "no_such_package")
    with pytest.raises(InputError, match=r"names .noted., .*: pip install no_such_package"):
        trackers.check_trackers(["noted"])


def test_what_is_not_known_is_not_told_and_stdout_stays_the_commands(noted, tmp_path, capsys):
    begun = trackers.Trackers(Tracking(("json",), tmp_path / "a", "first"), 3)
    begun.log(ROW)
    begun.end()
    assert noted.told == [(3, {"first": 0.0}), (3, {"loss": 0.5, "tokens": 7.0}), (-1, {})]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "a tracker speaks\n")


def test_one_that_fails_is_told_no_more_and_says_why(noted, tmp_path, monkeypatch):
    monkeypatch.setattr(noted, "fails_at", 3)
    tracking = Tracking(("json",), tmp_path, "first")
    begun = trackers.Trackers(tracking, 1)
    for step in (2, 3, 4):
        begun.log({**ROW, "step": step})
    begun.end()
    assert [step for step, _ in noted.told] == [1, 2]
    assert trackers.failed_trackers(tracking) == [("json", "OSError: no route\\u000ato host")]
    # The next time it is tried again.
    trackers.Trackers(tracking, 5)
    assert trackers.failed_trackers(tracking) == []


def test_one_that_begins_anew_is_another_and_one_that_goes_on_is_not(noted, tmp_path):
    tracking = Tracking(("json",), tmp_path, "first")
    for first in (1, 3, 1, 2):
        trackers.Trackers(tracking, first)
    assert noted.told == [(1, {"first": 0.0}), (3, {"first": 0.0}), (1, {"first (2)": 0.0}), (2, {"first (2)": 0.0})]  # fmt: skip


def test_a_training_that_fails_ends_as_failed(noted, tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        trackers.tracked(Tracking(("json",), tmp_path, "first"), 1),
    ):
        raise KeyboardInterrupt
    assert noted.told[-1] == (-2, {})


def test_a_training_tells_its_curve(noted, random_model, tmp_path):
    rows = written(packed([([5, 6, END], [-100, 6, END])] * 4), tmp_path / "rows.parquet")
    given = Sft.model_validate({"epochs": 1, "rows_per_step": 1, "save_steps": 2})
    tracking = Tracking(("json",), tmp_path / "tracking", "first sft/sft")
    job = SftJob(start=random_model, rows=[rows], settings=given, seed=0, tracking=tracking)
    heard = json.loads(json.dumps(wire.dump_sft(job), default=str))
    assert wire.load_sft(heard) == job
    told = train_sft(job, tmp_path / "out", lambda *step: None).curve
    begun, *steps, ended = noted.told
    assert begun == (1, {"first sft/sft": 0.0}) and ended == (-1, {})
    assert steps == [(r["step"], {k: v for k, v in r.items() if k != "step"}) for r in told]
