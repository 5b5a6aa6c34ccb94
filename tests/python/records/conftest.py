"""A finished run, for the tests of what reads one."""

from __future__ import annotations

import shutil
from pathlib import Path

import dalign
import pytest
from dalign.sandbox.project import write_project
from dalign.sandbox.settings import SMOKE_SIZES, smoke_values
from dalign.settings import commented_toml


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a scripted model in small parts; `project` lies in its folder, as a demo's does."""
    place = tmp_path_factory.mktemp("finished")
    values = smoke_values()
    values["evaluate"]["arms"] = ["none", "spec"]
    values["model"] = {"path": f"{place}/script.json", "engine": "scripted"}
    values["run"] |= {"workers": 1, "part_rows": 16}
    values.pop("judge_model", None)
    (place / "script.json").write_text(
        '{"score ?": "<think>why</think>Score: 2", "": "<think>why</think>No."}'
    )
    config = write_project(
        place / "run" / "project", config=commented_toml(values), sizes=SMOKE_SIZES
    )
    dalign.run(config, place / "run")
    return place / "run"


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage. Its config goes on naming the files of the first one."""
    return Path(shutil.copytree(base, tmp_path / "run"))
