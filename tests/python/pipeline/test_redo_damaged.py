"""A damaged stage is redone chunk by chunk: what is whole is not asked again, and the rows are the same."""

from __future__ import annotations

import json
import random
from pathlib import Path

import damages
import pytest
from dalign.store.folder import MANIFEST
from scripted_run import EVALUATED, SCRIPTED, go, write_project
from test_redo import same_rows

STAGES = (*SCRIPTED, *EVALUATED)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Nine prompts, two completions each, in chunks of two prompts: the last one has one."""
    made = write_project(tmp_path / "project")
    config = made / "dalign.toml"
    config.write_text(config.read_text() + "[run]\npart_rows = 4\n")
    return made


# The file, and how many requests are made again: the replies of one chunk where they are lost, and none else.
CASES = [
    ("generate/main/part-00001.parquet", 0),
    ("generate/main/replies-00001.parquet", 4),
    ("generate/main/replies-00004.parquet", 2),
    ("generate/main/chunks.jsonl", 0),
    ("generate/main/dropped-00000.parquet", 0),
    ("filter/main/part-00000.parquet", 0),
    ("judge/main/scores-00001.parquet", 0),
    ("judge/main/replies-00001.parquet", 4),
    ("select/main/part-00000.parquet", 0),
    ("evaluate/none/grades-00000.parquet", 0),
    ("evaluate/none/replies-judge-00000.parquet", 2),
    # The manifest is lost with what it says; the log of chunks says it too.
    (f"generate/main/{MANIFEST}", 0),
    (f"judge/main/{MANIFEST}", 0),
]


@pytest.mark.parametrize("damage", [damages.flip, damages.lose])
@pytest.mark.parametrize(("name", "asked"), CASES)
def test_only_what_is_damaged_is_made_again(
    name: str, asked: int, damage: damages.Damage, project: Path, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    go(project, run, *STAGES)
    go(project, whole, *STAGES)
    damages.apply(run / name, damage, random.Random(5))
    again = go(project, run, *STAGES)
    assert len(again.scripted.requests) == asked
    same_rows(run, whole)
    assert go(project, run, *STAGES).scripted.requests == []


def test_damaged_replies_are_asked_again_after_an_edit_too(project: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    go(project, run, "generate/main")
    damages.apply(run / "generate/main/replies-00000.parquet", damages.flip, random.Random(5))
    path = project / "spec" / "tea.md"
    path.write_text(path.read_text().replace("gets the recipe", "gets a pot"))
    # The first two prompts are on soup; those on tea are new.
    assert len(go(project, run, "generate/main").scripted.requests) == 4 + 6
    go(project, tmp_path / "fresh", "generate/main")
    same_rows(run, tmp_path / "fresh")


def test_a_chunk_that_is_damaged_while_its_stage_is_in_work_is_made_again(
    project: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    go(project, run, "generate/main")
    folder = run / "generate/main"
    (folder / MANIFEST).unlink()
    damages.apply(folder / "part-00002.parquet", damages.flip, random.Random(5))
    assert go(project, run, "generate/main").scripted.requests == []
    counts = json.loads((folder / MANIFEST).read_text())["counts"]
    assert (counts["rows_out"], counts["taken_over"]) == (18, 4)
