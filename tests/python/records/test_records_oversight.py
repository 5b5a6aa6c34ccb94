"""Whose oversight a report tells: that of the trainings that the run's config has, not of one that an earlier config left."""

from __future__ import annotations

import json
from pathlib import Path

from dalign.library import run as go
from dalign.records.record import open_record
from dalign.records.report_content import report_content
from dalign.records.results import results_of
from dalign.rows import RolloutRow, table
from dalign.store.folder import Finished
from dalign.store.run import RunFolder
from policies import ENGLISH
from scripted_run import write_evaluation


def test_a_training_that_the_config_has_no_more_is_in_no_report(tmp_path: Path) -> None:
    script, other = tmp_path / "model.json", tmp_path / "other.json"
    script.write_text(json.dumps({"the answer": "Score: 9", "a question": "the answer"}))
    other.write_text('{"": "Score: 1"}')
    model = f'model = {{ path = "{script}", engine = "scripted", reasoning = {{ kind = "none" }} }}'
    row = {"id": "p", "category": "general", "messages": [{"role": "user", "content": "a question"}]}  # fmt: skip
    rows = [{**row, "expected": {"ruling": "comply"}}]
    config, run = write_evaluation(tmp_path, model, rows, ENGLISH, resamples=20), tmp_path / "run"
    go(config, run)
    # What an arm that was left out since had made, without a second judge.
    left = RunFolder(run).stage("rl/rl")
    left.start({"arm": "rl"})
    digest = left.table().write(0, table(RolloutRow.COLUMNS))
    counts = {"rows_in": 1, "rows_out": 0, "alarms": ["the judge is another"]}
    left.finish({"arm": "rl"}, Finished(counts, [digest]))
    second = f'second_judge_model = {{ path = "{other}", engine = "scripted" }}\n'
    config.write_text(second + config.read_text())
    go(config, run, redo=True)
    record = open_record(run)
    content = report_content(record, results_of(record), created="now")
    assert [each.role for each in content.models] == ["trained", "judge"]
    assert not content.curves and not content.again
    assert not any("the judge is another" in said for said in content.warnings)
