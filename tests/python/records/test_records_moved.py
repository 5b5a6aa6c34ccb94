"""A run's folder is all that is asked about a run: it may lie elsewhere, and the project may be gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from scripted_run import EVALUATED, SCRIPTED, go, write_project


@pytest.fixture
def policies(tmp_path: Path) -> tuple[Path, Path]:
    """Two policies outside the project, whose difference is a clause."""
    old = write_project(tmp_path / "other") / "spec"
    new = shutil.copytree(old, tmp_path / "new")
    path = new / "soup.md"
    path.write_text(path.read_text().replace("the recipe", "a warning"))
    return old, new


def answers(dalign, run: Path, policies: tuple[Path, Path], row: str) -> list[object]:
    """What the commands that read a run say of it, its path aside."""
    old, new = policies
    said = [
        dalign("show", row, "--run", run),
        dalign("show", row, "--run", run, "--json"),
        dalign("spec", "coverage", run),
        dalign("spec", "coverage", run, "--json"),
        dalign("spec", "diff", old, new, "--run", run),
        dalign("spec", "diff", old, new, "--run", run, "--json"),
    ]
    assert [(code, err) for code, _, err in said] == [(0, "")] * len(said)
    return [out.replace(str(run), "RUN") for _, out, _ in said]


def test_show_coverage_and_diff_say_the_same_of_a_run_that_lies_elsewhere(
    tmp_path: Path, dalign, policies
) -> None:
    project = write_project(tmp_path / "project")
    made = go(project, tmp_path / "run", *SCRIPTED, *EVALUATED)
    row = made.folder("select").made().frame(["id"])["id"][0]
    before = answers(dalign, tmp_path / "run", policies, row)
    assert "soup.S1" in str(before)
    shutil.rmtree(project)
    moved = tmp_path / "far" / "away"
    moved.parent.mkdir()
    (tmp_path / "run").rename(moved)
    assert answers(dalign, moved, policies, row) == before


def test_the_report_of_a_run_that_lies_elsewhere_is_the_same(tmp_path: Path, dalign) -> None:
    project = write_project(tmp_path / "project")
    config = project / "dalign.toml"
    config.write_text(config.read_text().replace('"spec", "sft"', '"spec"'))
    (project / "script.json").write_text(
        json.dumps({"Rate the answer": "Score: 2", "": "<think>why</think>No."})
    )
    code, out, err = dalign("run", config, "--run", tmp_path / "run", "--json")
    assert code == 0, err
    results = json.loads(out)["results"]
    shutil.rmtree(project)
    (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "moved" / "report.html").unlink()
    code, out, err = dalign("report", "--run", tmp_path / "moved", "--json")
    assert code == 0, err
    assert json.loads(out) == {"run": f"{tmp_path}/moved", "ran": [], "results": results}
    assert json.loads((tmp_path / "moved" / "results.json").read_text()) == results
    assert (tmp_path / "moved" / "report.html").is_file()
    # What counts as too much missing may still be set; what rows depend on is the folder's.
    limit = "evaluate.max_missing=0.5"
    assert dalign("report", "--run", tmp_path / "moved", "--set", limit)[0] == 0
    assert "max_missing = 0.5" in (tmp_path / "moved" / "config.toml").read_text()
    code, _, err = dalign("report", "--run", tmp_path / "moved", "--set", "judge.k=9")
    assert code == 1 and "judge.k" in err
