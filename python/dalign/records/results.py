"""What a run found: `results.json` and `report.html`, from what its stages left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from dalign import _core
from dalign.errors import UnfinishedError
from dalign.evaluate.forgetting import forgetting_rows, forgotten, too_far
from dalign.evaluate.metrics import paired_rows
from dalign.figures import FormRow, KlRow, MetricRow, Results, StageRow
from dalign.pipeline.plan import FORGET, first_to_run, make_plan
from dalign.records.record import Record
from dalign.records.report_content import report_content
from dalign.report.page import write_report
from dalign.rows import GRADES, NEVER_CAME, OK
from dalign.store.damage import reading
from dalign.store.ledger import COST, MANIFEST, REPORT, RESULTS, mark_files
from dalign.store.lock import only_one
from dalign.store.whole_files import digest, write_json
from dalign.vocabulary import compared


def results_of(record: Record) -> Results:
    """The results of a run. Raises UnfinishedError naming the first stage that has not finished, or that is out of date."""
    config, arms = record.config, record.config.evaluate.arms
    plan = make_plan(config)
    if (stage := first_to_run(plan, record.project, record.run)) is not None:
        raise UnfinishedError.of(record.run.path, stage)
    rows = [row for arm in arms for row in _metrics(record, arm)]
    grades: dict[str, pl.LazyFrame] = {
        arm: record.stage(f"evaluate/{arm}").table(GRADES).scan() for arm in arms
    }
    resamples, seed = config.evaluate.resamples, config.run.seed
    pairs = paired_rows(grades, compared(arms), resamples=resamples, seed=seed)
    kl = [_kl(record, stage.name) for stage in plan if stage.kind == FORGET]
    lost = forgetting_rows(grades, resamples=resamples, seed=seed)
    # Files by their names: the same hash wherever the project lies.
    named = json.dumps(config.model_dump(), default=lambda path: path.name)
    return Results(
        rows,
        pairs,
        [_stage_row(record, stage.name) for stage in plan],
        alarms_of(rows, config.evaluate.max_missing),
        record.run.elapsed_s,
        _core.__version__,
        record.project.spec.sha256,
        record.stage(f"evaluate/{arms[0]}").recorded("spec_versions"),
        record.used["judge"]["templates"],
        digest(json.loads(named)),
        forms=[row for arm in arms for row in forms_of(record, arm)],
        forgetting=lost,
        forgotten=[
            *forgotten(lost, config.evaluate.max_forgetting),
            *too_far(kl, config.evaluate.max_kl),
        ],
        kl=kl,
    )


def _metrics(record: Record, arm: str) -> list[MetricRow]:
    folder = record.stage(f"evaluate/{arm}")
    with reading(folder.path / MANIFEST):
        return [MetricRow(**row) for row in folder.recorded("facts")["metrics"]]


def _kl(record: Record, name: str) -> KlRow:
    folder = record.stage(name)
    with reading(folder.path / MANIFEST):
        return KlRow(**folder.recorded("facts")["kl"])


def alarms_in(record: Record, arms: Sequence[str]) -> list[str]:
    """See `alarms_of`: of these arms alone, which have been evaluated."""
    rows = [row for arm in arms for row in _metrics(record, arm)]
    return alarms_of(rows, record.config.evaluate.max_missing)


def forms_of(record: Record, arm: str) -> Iterator[FormRow]:
    """What became of an arm's completions, suite by suite as they come."""
    status, came = pl.col("status"), ~pl.col("status").is_in(list(NEVER_CAME))
    rows = record.stage(f"evaluate/{arm}").table().scan().group_by("suite", maintain_order=True)
    counted = rows.agg(
        completions=pl.len(),
        malformed=(came & (status != OK)).sum(),
        cut_off=((status == OK) & (pl.col("finish") == "length")).sum(),
        never_came=(~came).sum(),
    )
    yield from (FormRow(arm, *row) for row in counted.collect().iter_rows())


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
