"""A row's journey: which rows an id, or the start of one, leads to."""

from __future__ import annotations

import json
from pathlib import Path

import dalign
import polars as pl
import pytest
from dalign.records.record import open_record
from dalign.rows import Prompt, RolloutRow, Section
from dalign.store.folder import Finished, StageFolder
from dalign.train.rl.completeness import completeness
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


def test_a_rollout_tells_what_it_has_of_the_sections_that_its_prompt_requires(
    tmp_path: Path,
) -> None:
    project = write_project(tmp_path / "project")
    with_ids(project, "p1")
    first, *others = (project / "prompts.jsonl").read_text().splitlines(keepends=True)
    required = ["Warning", {"name": "Dose", "contains": ["mg", ["every", "per"]], "weight": 2}]
    row = json.loads(first) | {"required_sections": required, "sections_in_order": True}
    (project / "prompts.jsonl").write_text(json.dumps(row) + "\n" + "".join(others))
    go(project, tmp_path / "run", "generate/main")
    # The run keeps them as they were asked for.
    kept = Prompt.read(open_record(tmp_path / "run").sources["prompts"].table.frame())
    asked = next(prompt for prompt in kept if prompt.id == "p1")
    dose = Section("Dose", contains=(("mg",), ("every", "per")), weight=2.0)
    assert asked.required_sections == (Section("Warning"), dose) and asked.sections_in_order
    answers = {"r1": "# Warning\n# Dose\n5 mg", "r2": "# Dose\n# Warning"}
    parts = {
        name: completeness(answer, asked.required_sections, in_order=True)
        for name, answer in answers.items()
    }
    rows = [{"id": n, "step": 1, "prompt_id": "p1", "text": answers[n], "reward": 0.5, "advantage": 0.1} | c.row for n, c in parts.items() if c]  # fmt: skip
    # One whose group was drawn again stands behind them, and moved nothing.
    rows.append(rows[0] | {"id": "r3", "advantage": None})
    stage = StageFolder(tmp_path / "run", "rl", "rl")
    stage.start({})
    written = stage.table().write(0, pl.DataFrame(rows, schema=RolloutRow.COLUMNS))
    stage.finish({}, Finished({"rows_out": 2}, [written], {}))
    [journey] = dalign.Run(tmp_path / "run").journeys("r1")
    notes = {step.row: step.note for step in journey.steps if step.stage == "rl"}
    # (1 × 1 + 2 × 1/2) / 3, and (1 × 1 + 2 × 0) / 3: of the two in order, the warning is worth more.
    assert "completeness 0.666667, sections Warning 1 (heading); Dose 0.5 (heading)" in notes["r1"]
    assert "completeness 0.333333, sections Warning 1 (heading); Dose 0 (out_of_order)" in notes["r2"]  # fmt: skip
    assert "r3" not in notes
