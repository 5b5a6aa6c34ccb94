"""The bench of the arms over seeds reads a run as a run is written."""

from __future__ import annotations

import json
from pathlib import Path

from evidence import grades_of
from scripted_run import CATEGORIES, go, write_project

PATTERNS = """
[[answer]]
ruling = "comply"
pattern = "^answer"
"""


def test_truths_grades_of_an_arm_stand_by_seed_prompt_and_sample(tmp_path: Path) -> None:
    project, runs = write_project(tmp_path / "project"), [tmp_path / "one", tmp_path / "two"]
    suite = project / "suite.jsonl"
    rows = [json.loads(line) for line in suite.read_text().splitlines()]
    suite.write_text("".join(json.dumps(row | {"id": row["category"], "expected": {"ruling": "comply", "clause": f"{row['category']}.S1"}}) + "\n" for row in rows))  # fmt: skip
    (project / "patterns.toml").write_text(PATTERNS)
    config = project / "dalign.toml"
    text = config.read_text().replace("samples = 1", "samples = 2")
    config.write_text(f'{text}patterns = "patterns.toml"\n')
    for run in runs:
        go(project, run, "evaluate/none")
    grades = grades_of(runs, "none", "test", "not_overrefuse")
    assert sorted(grades.rows()) == [
        (seed, prompt, nth, 1.0) for seed in (0, 1) for prompt in sorted(CATEGORIES) for nth in (0, 1)
    ]  # fmt: skip
