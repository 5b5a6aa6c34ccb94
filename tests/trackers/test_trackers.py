"""Figures of a training in the trackers themselves, read back from them: run by `make test-trackers`, which fetches them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dalign.train.job import Tracking
from dalign.train.trackers import TRACKERS, Trackers, failed_trackers

pytestmark = pytest.mark.trackers

NAME = "first sft/sft"
ROWS = [{"step": n, "loss": 1.0 / n, "kl": None, "tokens": 10 * n} for n in range(1, 6)]
LOSSES = [(row["step"], row["loss"]) for row in ROWS]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which all of them keep what they are told; nothing is sent."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    return tmp_path


def tell(folder: Path, name: str, rows: list[dict], first: int) -> None:
    tracking = Tracking((name,), folder / "tracking", NAME)
    trackers = Trackers(tracking, first)
    for row in rows:
        trackers.log(row)
    trackers.end()
    assert failed_trackers(tracking) == []


def from_tensorboard(folder: Path) -> list[tuple[int, float]]:
    reading = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(folder / "tracking/tensorboard"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["loss", "tokens"]
    return [(each.step, each.value) for each in events.Scalars("loss")]


def from_mlflow(folder: Path) -> list[tuple[int, float]]:
    client = importlib.import_module("mlflow").MlflowClient()
    [run] = client.search_runs([client.get_experiment_by_name("dalign").experiment_id])
    assert run.info.run_name == NAME
    kept = {each.step: each.value for each in client.get_metric_history(run.info.run_id, "loss")}
    return sorted(kept.items())


def from_trackio(folder: Path) -> list[tuple[int, float]]:
    storage = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
    kept = {each["step"]: each["loss"] for each in storage.get_logs("dalign", NAME)}
    return sorted(kept.items())


def logged(file: bytes) -> Iterator[bytes]:
    """The records of a file of Weights & Biases: LevelDB's log behind seven bytes, each chunk with checksum, length and kind."""
    place, held = 7, b""
    while place + 7 <= len(file):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        size, kind = int.from_bytes(file[place + 4 : place + 6], "little"), file[place + 6]
        held += file[place + 7 : place + 7 + size]
        place += 7 + size
        # Whole, or the last of several.
        if kind in (1, 4):
            yield held
            held = b""


def from_wandb(folder: Path) -> list[tuple[int, float]]:
    """What stands in its files, of which a later one goes on with the run of an earlier one."""
    records = importlib.import_module("wandb.proto.wandb_internal_pb2").Record
    kept: dict[int, float] = {}
    ids = set()
    for path in sorted((folder / "tracking/wandb").glob("*/*.wandb")):
        for data in logged(path.read_bytes()):
            record = records()
            record.ParseFromString(data)
            if record.run.run_id:
                ids.add((record.run.run_id, record.run.display_name))
            items = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}  # fmt: skip
            if "loss" in items:
                kept[int(items["_step"])] = float(items["loss"])
    assert len(ids) == 1 and ids.pop()[1] == NAME
    return sorted(kept.items())


READ = {
    "tensorboard": from_tensorboard, "wandb": from_wandb, "mlflow": from_mlflow, "trackio": from_trackio,
}  # fmt: skip


@pytest.mark.parametrize("name", TRACKERS)
def test_every_step_is_there_once_also_of_a_training_that_went_on(
    here: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tell(here, name, ROWS[:4], 1)
    # Killed after step 4, the last checkpoint at 3.
    tell(here, name, ROWS[3:], 4)
    assert READ[name](here) == [(step, pytest.approx(loss)) for step, loss in LOSSES]
    assert capfd.readouterr().out == ""
