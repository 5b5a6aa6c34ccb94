"""A run keeps the device and the dtype that it was started with, wherever its config leaves them open."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import ChangedConfigError
from dalign.models import devices
from dalign.pipeline import run as pipeline_run
from dalign.settings import dump_toml
from dalign.store.ledger import open_ledger
from scripted_run import write_project

OPEN = '[model]\npath = "sandbox"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = write_project(tmp_path / "project") / "dalign.toml"
    _, _, rest = file.read_text().partition("[spec]")
    file.write_text(f"{OPEN}[spec]{rest}")
    return file


def machine(monkeypatch: pytest.MonkeyPatch, *, gpu: bool) -> None:
    monkeypatch.setattr(devices, "_finds_gpu", lambda: gpu)
    monkeypatch.setattr(devices, "_has_bfloat16", lambda: gpu)


def started(config: Path, run: Path, *overrides: str) -> tuple[str, str]:
    found = pipeline_run.resolve_config(config, run, overrides, redo=False)
    run.mkdir(exist_ok=True)
    open_ledger(run, dump_toml(found))
    return found.model.device, found.model.dtype


def test_another_machine_goes_on_as_the_first_began(config, tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    machine(monkeypatch, gpu=True)
    assert started(config, run) == ("cuda", "bfloat16")
    machine(monkeypatch, gpu=False)
    for given in (config, None):
        found = pipeline_run.resolve_config(given, run, [], redo=False).model
        assert (found.device, found.dtype) == ("cuda", "bfloat16")
    with pytest.raises(ChangedConfigError, match=r'model\.device: "cuda" → "cpu"'):
        pipeline_run.resolve_config(config, run, ["model.device=cpu"], redo=False)
    found = pipeline_run.resolve_config(config, run, ["model.device=cpu"], redo=True).model
    assert (found.device, found.dtype) == ("cpu", "float32")


def test_a_run_of_before_that_had_the_old_defaults_goes_on(config, tmp_path, monkeypatch) -> None:
    machine(monkeypatch, gpu=False)
    run = tmp_path / "run"
    started(config, run, "model.device=cpu", "model.dtype=float32")
    machine(monkeypatch, gpu=True)
    found = pipeline_run.resolve_config(config, run, [], redo=False).model
    assert (found.device, found.dtype) == ("cpu", "float32")
