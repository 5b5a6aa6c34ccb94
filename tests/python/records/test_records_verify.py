"""A finished run is as it was written, or is said not to be; and the same command mends it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import dalign
import damages
import pytest
from dalign.cli import main
from dalign.errors import InputError
from dalign.progress import Progress
from dalign.sandbox.project import write_project
from dalign.sandbox.settings import SMOKE_SIZES, smoke_values
from dalign.settings import commented_toml
from dalign.store.lock import only_one
from dalign.store.seal import read_sealed, write_sealed

PLANTED = "prompts.jsonl"


class Said(Progress):
    """What a call says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a scripted model in small parts; `project` lies in its folder, as a demo's does."""
    place = tmp_path_factory.mktemp("verify")
    values = smoke_values()
    values["evaluate"]["arms"] = ["none", "spec"]
    values["model"] = {"path": f"{place}/script.json", "engine": "scripted"}
    values["run"] |= {"workers": 1, "part_rows": 16}
    values.pop("judge_model", None)
    (place / "script.json").write_text('{"": "<think>why</think>Score: 2"}')
    config = write_project(
        place / "run" / "project", config=commented_toml(values), sizes=SMOKE_SIZES
    )
    dalign.run(config, place / "run")
    return place / "run"


@pytest.fixture(scope="module")
def wanted(base: Path) -> dict[str, Any]:
    """What each reader says of the whole run."""
    return {read.__name__: read(base) for read in damages.READERS}


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage. Its config goes on naming the files of the first one."""
    return Path(shutil.copytree(base, tmp_path / "run"))


def first(run: Path, pattern: str) -> Path:
    return sorted(run.glob(pattern))[0]


def test_every_file_of_a_finished_run_is_covered(base: Path) -> None:
    found = dalign.Run(base).verify()
    assert (found.damage, found.unknown, found.unfinished) == ([], [], [])
    files = damages.files_of(base)
    assert found.files == len(files)
    assert found.bytes == sum(path.stat().st_size for path in files)


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_is_named_and_never_reported_from(
    seed: int, run: Path, wanted: dict[str, Any]
) -> None:
    draw = random.Random(seed)
    path = draw.choice(damages.files_of(run))
    damages.apply(path, draw.choice(damages.DAMAGES), draw)
    damages.check_named(run, wanted, path)


READ_BY = {
    "evaluate/none/grades-00000.parquet": ["results", "page", "journey"],
    "evaluate/none/manifest.json": ["results", "page", "journey"],
    "evaluate/spec/cost.json": ["results", "page"],
    "inputs/prompts/part-00000.parquet": ["clauses", "journey"],
    "inputs/spec/advice.md": ["results", "page", "clauses", "journey"],
    "inputs/sources.json": ["results", "page", "clauses", "journey"],
    "config.toml": ["results", "page", "clauses", "journey"],
    "ledger.json": ["results", "page", "clauses", "journey"],
    "elapsed.json": ["results", "page"],
}


@pytest.mark.parametrize("damage", [damages.flip, damages.cut, damages.lose, damages.lengthen])
@pytest.mark.parametrize("name", READ_BY)
def test_who_reads_a_file_names_it(
    name: str, damage: damages.Damage, run: Path, wanted: dict[str, Any]
) -> None:
    damages.apply(run / name, damage, random.Random(3))
    named = damages.check_named(run, wanted, run / name)
    assert set(READ_BY[name]) <= set(named)


def tables(run: Path) -> dict[str, bytes]:
    kept = (path for path in run.rglob("*.parquet") if not path.name.startswith("replies"))
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in kept}


MENDED = [
    "generate/main/part-00001.parquet",
    "generate/main/replies-00001.parquet",
    "generate/main/chunks.jsonl",
    "generate/main/inputs.json",
    "generate/main/dropped-00000.parquet",
    "judge/main/manifest.json" if False else "evaluate/spec/manifest.json",
    "evaluate/none/part-00000.parquet",
    "evaluate/none/grades-00001.parquet",
    "evaluate/none/verdicts-00000.parquet",
    "evaluate/none/replies-judge-00000.parquet",
    "evaluate/none/cost.json",
    "inputs/sources.json",
    "inputs/suites/test/part-00000.parquet",
    "inputs/patterns/test.toml",
    "inputs/spec/advice.md",
    "results.json",
    "report.html",
    "config.toml",
    "elapsed.json",
    "ledger.json",
]
