"""`kill -9` while an edited policy's rows are redone: the same command goes on, and ends in a fresh run's rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dalign.sandbox.project import write_project
from dalign.sandbox.settings import SMOKE_SIZES, smoke_values
from dalign.settings import commented_toml
from dalign.store.folder import MANIFEST
from test_kill import PATIENCE_S, kill_during, lines_in

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

# The stages that make training data, as `dalign run` runs them.
CODE = """
import sys
from pathlib import Path
from dalign.pipeline.run import run_stages
from dalign.progress import Progress
from dalign.settings import load_config

config, run = load_config(Path(sys.argv[1]), []), Path(sys.argv[2])
for stage in ("generate", "filter", "judge", "select"):
    run_stages(config, run, Progress(), stage)
"""


def command(config: Path, run: Path) -> list[str]:
    return [sys.executable, "-c", CODE, str(config), str(run)]


def go(config: Path, run: Path) -> None:
    done = subprocess.run(
        command(config, run), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr


def label_anew(path: Path, category: str) -> None:
    """What the category's clauses refused is to be complied with."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        expected = row.get("expected", {})
        if expected.get("ruling") == "refuse" and expected.get("clause", "").startswith(
            f"{category}."
        ):
            expected["ruling"] = "comply"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def counts(run: Path, stage: str) -> dict[str, int]:
    return json.loads((run / stage / MANIFEST).read_text())["counts"]


def test_a_redo_that_was_killed_in_two_stages_ends_in_the_rows_of_a_fresh_run(
    tmp_path: Path,
) -> None:
    values = smoke_values()
    # One row a batch, so that a kill finds a stage in the middle.
    values["model"] |= {"batch_size": 1}
    project, run, fresh = tmp_path / "project", tmp_path / "run", tmp_path / "fresh"
    sizes = SMOKE_SIZES | {"prompts": 28}
    config = write_project(project, config=commented_toml(values), sizes=sizes)
    go(config, run)
    # Every clause of two of the seven categories rules otherwise.
    for name in ("advice", "violence"):
        path = project / "spec" / f"{name}.md"
        path.write_text(path.read_text().replace(" refuse:", " comply:"))
        for prompts in (*project.glob("*prompts.jsonl"), *project.glob("suites/*.jsonl")):
            label_anew(prompts, name)
    for stage in ("generate/main", "judge/main"):
        kill_during(run, stage, lines_in(f"{stage}/journal.jsonl"), command=command(config, run))
    go(config, run)
    go(config, fresh)
    for name, made in (("generate/main", "rows_out"), ("judge/main", "verdicts")):
        assert 0 < counts(run, name)["taken_over"] < counts(run, name)[made]
    tables = sorted(path.relative_to(fresh) for path in fresh.rglob("*.parquet"))
    assert tables == sorted(path.relative_to(run) for path in run.rglob("*.parquet"))
    for table in tables:
        assert (run / table).read_bytes() == (fresh / table).read_bytes(), table
