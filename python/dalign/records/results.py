"""What a run found, from what its stages left: metrics, paired differences, costs, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dalign import _core
from dalign.errors import UnfinishedError
from dalign.evaluate.metrics import paired_rows
from dalign.figures import MetricRow, PairRow, StageRow
from dalign.pipeline.plan import make_plan
from dalign.pipeline.run import elapsed_s
from dalign.pipeline.stages.evaluate import GRADES
from dalign.records.record import Record
from dalign.store.whole_files import digest
from dalign.vocabulary import compared


@dataclass(frozen=True)
class Results:
    """The results of a finished run: metrics, paired differences, costs, and what they rest on."""

    rows: Sequence[MetricRow]
    pairs: Sequence[PairRow]
    stages: Sequence[StageRow]
    alarms: Sequence[str]
    elapsed_s: float
    version: str
    spec_sha256: str
    spec_versions: dict[str, str]
    templates_sha256: str
    config_sha256: str

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON value."""
        return asdict(self)


def results_of(record: Record) -> Results:
    """The results of a run. Raises UnfinishedError naming the first stage that has not finished, or that is out of date."""
    config, arms = record.config, record.config.evaluate.arms
    plan = make_plan(config)
    for stage in plan:
        _check_finished(record, stage.name, stage.needs)
    rows = [
        MetricRow(**row)
        for arm in arms
        for row in record.stage(f"evaluate/{arm}").recorded("facts")["metrics"]
    ]
    pairs = paired_rows(
        {arm: record.stage(f"evaluate/{arm}").table(GRADES).scan() for arm in arms},
        compared(arms),
        resamples=config.evaluate.resamples,
        seed=config.run.seed,
    )
    return Results(
        rows,
        pairs,
        [_stage_row(record, stage.name) for stage in plan],
        alarms_of(rows, config.evaluate.max_missing),
        elapsed_s(record.run),
        _core.__version__,
        record.project.spec.sha256,
        dict(record.project.spec.versions),
        used_by(record)["judge"]["templates"],
        digest(_without_folders(config.model_dump())),
    )


def _check_finished(record: Record, name: str, needs: Sequence[str]) -> None:
    """Raises UnfinishedError unless the stage has finished with what the stages that it needs hold now."""
    path, manifest = record.run.path, record.stage(name).manifest()
    read = set() if manifest is None else set(_texts(manifest["inputs"]))
    if manifest is None or any(record.stage(need).output_sha256() not in read for need in needs):
        raise UnfinishedError(
            f"{path}: {name} has not finished, or its inputs have changed; run it first (dalign run --run {path})",
            kind="unfinished",
            path=path,
            value=name,
        )


def _texts(value: Any) -> list[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


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


def used_by(record: Record) -> dict[str, Any]:
    """What the evaluations depend on: models, judge, templates, as their manifests say."""
    arm = record.config.evaluate.arms[0]
    return dict((record.stage(f"evaluate/{arm}").manifest() or {})["inputs"])


def _stage_row(record: Record, name: str) -> StageRow:
    folder = record.stage(name)
    cost = {"wall_s": None, "cpu_s": None, "peak_rss_mib": None} | folder.cost()
    counts = folder.recorded("counts")
    return StageRow(
        folder.stage, folder.variant, **cost, rows_in=counts["rows_in"], rows_out=counts["rows_out"]
    )


def _without_folders(value: Any) -> Any:
    """Settings, files by their names: the same wherever the project lies."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, dict):
        return {key: _without_folders(part) for key, part in value.items()}
    return [_without_folders(part) for part in value] if isinstance(value, (list, tuple)) else value
