"""What a run found: `results.json` and `report.html`, from what its stages left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dalign import _core
from dalign.errors import UnfinishedError
from dalign.evaluate.metrics import paired_rows
from dalign.figures import MetricRow, Results, StageRow
from dalign.pipeline.plan import make_plan
from dalign.pipeline.run import elapsed_s
from dalign.pipeline.stages.evaluate import GRADES
from dalign.records.record import Record
from dalign.records.report_content import report_content
from dalign.report.page import write_report
from dalign.store.damage import reading
from dalign.store.ledger import COST, MANIFEST, REPORT, RESULTS, mark_files
from dalign.store.lock import only_one
from dalign.store.whole_files import digest, write_json
from dalign.vocabulary import compared


def results_of(record: Record) -> Results:
    """The results of a run. Raises UnfinishedError naming the first stage that has not finished, or that is out of date."""
    config, arms = record.config, record.config.evaluate.arms
    plan = make_plan(config)
    for stage in plan:
        _check_finished(record, stage.name, stage.needs)
    rows = []
    for arm in arms:
        folder = record.stage(f"evaluate/{arm}")
        with reading(folder.path / MANIFEST):
            rows += [MetricRow(**row) for row in folder.recorded("facts")["metrics"]]
    pairs = paired_rows(
        {arm: record.stage(f"evaluate/{arm}").table(GRADES).scan() for arm in arms},
        compared(arms),
        resamples=config.evaluate.resamples,
        seed=config.run.seed,
    )
    # Files by their names: the same hash wherever the project lies.
    named = json.dumps(config.model_dump(), default=lambda path: path.name)
    return Results(
        rows,
        pairs,
        [_stage_row(record, stage.name) for stage in plan],
        alarms_of(rows, config.evaluate.max_missing),
        elapsed_s(record.run),
        _core.__version__,
        record.project.spec.sha256,
        dict(record.project.spec.versions),
        record.used["judge"]["templates"],
        digest(json.loads(named)),
    )


def _check_finished(record: Record, name: str, needs: Sequence[str]) -> None:
    """Raises UnfinishedError unless the stage has finished with what the stages that it needs hold now."""
    path, manifest = record.run.path, record.stage(name).manifest()
    read = "" if manifest is None else json.dumps(manifest["inputs"])
    if manifest is None or any(record.stage(need).output_sha256() not in read for need in needs):
        raise UnfinishedError(
            f"{path}: {name} has not finished, or its inputs have changed; run it first (dalign run --run {path})",
            kind="unfinished",
            path=path,
            value=name,
        )


def alarms_of(rows: Sequence[MetricRow], max_missing: float) -> list[str]:
    """A sentence for each metric of which more than this share of the grades is missing."""
    found = []
    for row in rows:
        graded = row.n + row.missing
        if graded and row.missing > max_missing * graded:
            cell = f"arm {row.arm}, suite {row.suite}, {row.metric} by {row.grader}"
            found.append(
                f"{row.missing} of {graded} grades are missing ({cell}), more than evaluate.max_missing = {max_missing:g} allows: "
                "completions or judgements that never came, or that could not be read."
            )
    return found


def _stage_row(record: Record, name: str) -> StageRow:
    folder = record.stage(name)
    cost: dict[str, Any] = {"wall_s": None, "cpu_s": None, "peak_rss_mib": None} | folder.cost()
    counts = folder.recorded("counts")
    rows = {name: counts[name] for name in ("rows_in", "rows_out")}
    with reading(folder.path / COST):
        return StageRow(folder.stage, folder.variant, **cost, **rows)


def write_results(record: Record) -> Results:
    """Writes `results.json` and `report.html`. Raises BusyError while another process works in the folder."""
    with only_one(record.run.path):
        results = results_of(record)
        write_json(record.run.path / RESULTS, results.as_json())
        created = datetime.now(UTC).isoformat(timespec="seconds")
        write_report(report_content(record, results, created=created), record.run.path / REPORT)
        mark_files(record.run.path, (RESULTS, REPORT))
    return results
