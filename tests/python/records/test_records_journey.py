"""A row's journey: which rows an id, or the start of one, leads to."""

from __future__ import annotations

import json
from pathlib import Path

import dalign
import pytest
from scripted_run import EVALUATED, go, write_project


def with_ids(project: Path, *ids: str) -> None:
    """Gives the project's first prompts these ids."""
    path = project / "prompts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for name, row in zip(ids, rows, strict=False):
        row["id"] = name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_whole_id_wins_over_those_that_it_begins(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    with_ids(project, "p1", "p10", "p11")
    go(project, tmp_path / "run", "generate/main")
    run = dalign.Run(tmp_path / "run")
    (journey,) = run.journeys("p1")
    assert journey.prompt.id == "p1"
    assert run.journeys("p10")[0].prompt.id == "p10"
    with pytest.raises(dalign.InputError, match="is the start of 3 prompts' rows"):
        run.journeys("p")


def test_a_verdict_of_an_evaluation_leads_to_its_prompt(tmp_path: Path) -> None:
    made = go(write_project(tmp_path / "project"), tmp_path / "run", *EVALUATED)
    verdict = made.folder("evaluate/none").table("verdicts").frame().row(0, named=True)
    (journey,) = dalign.Run(tmp_path / "run").journeys(verdict["id"])
    assert journey.sources == ("suites/test",)
    told = {step.facts["arm"]: step for step in journey.steps if step.row == verdict["id"]}
    # Arms answer the same prompts under the same ids.
    assert list(told) == ["none", "spec"]
    assert (told["none"].stage, told["none"].text) == ("judge", verdict["reply"])
    assert told["none"].facts["score"] == verdict["score"]
