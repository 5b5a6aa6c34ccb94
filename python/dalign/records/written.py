"""Writes what a run found: `results.json`, and `report.html` from what its stages left."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl

from dalign.figures import (
    DropRow,
    FunnelRow,
    JourneyRow,
    ModelUsed,
    RlStep,
    ScoreCount,
    SftStep,
    StateCount,
)
from dalign.pipeline.stages.judge import SCORES
from dalign.pipeline.training import CURVE
from dalign.records.journey import journeys_of
from dalign.records.record import Record
from dalign.records.results import Results, results_of, used_by
from dalign.report.content import ReportContent
from dalign.report.page import write_report
from dalign.settings import dump_toml
from dalign.store.parts import DROPPED, ROWS
from dalign.store.whole_files import write_json
from dalign.vocabulary import ARMS

JOURNEYS = 6
RESULTS, REPORT = "results.json", "report.html"


def write_results(record: Record) -> Results:
    """Writes both, and returns the results."""
    results = results_of(record)
    write_json(record.run.path / RESULTS, results.as_json())
    created = datetime.now(UTC).isoformat(timespec="seconds")
    write_report(report_content(record, results, created=created), record.run.path / REPORT)
    return results


def report_content(record: Record, results: Results, *, created: str) -> ReportContent:
    """The report's content; parts whose stages the config's arms do not need are empty."""
    made_data = record.has("select")
    states = record.stage("judge").recorded("counts").get("states", {})
    return ReportContent(
        title=f"dalign: {record.run.path.resolve().name}",
        created=created,
        config_toml=dump_toml(record.config),
        models=_models(record),
        probes=list(record.stage("pack").recorded("facts").get("template_probe", [])),
        seed=record.config.run.seed,
        command=f"dalign run --run {record.run.path}",
        funnel=_funnel(record) if made_data else [],
        drops=_drops(record) if made_data else [],
        score_histogram=_histogram(record) if made_data else [],
        states=[StateCount(state, count) for state, count in states.items()],
        curves=[
            row for arm in ARMS.values() if arm.trained_by == "rl" for row in _rl_curve(record, arm.name)
        ],
        sft_curve=_sft_curve(record),
        journeys=_journeys(record) if made_data else [],
        alarms=results.alarms,
        warnings=_warnings(record),
        rows=results.rows,
        pairs=results.pairs,
        stages=results.stages,
        elapsed_s=results.elapsed_s,
        version=results.version,
        spec_sha256=results.spec_sha256,
        spec_versions=results.spec_versions,
        templates_sha256=results.templates_sha256,
        config_sha256=results.config_sha256,
    )  # fmt: skip


def _models(record: Record) -> list[ModelUsed]:
    used, config = used_by(record), record.config
    return [
        ModelUsed("trained", config.model.path, used["model"]),
        ModelUsed("judge", config.judge_of_record.path, used["judge"]["model"]),
    ]


def _by_category(record: Record, stage: str, table: str, where: pl.Expr | bool) -> dict[str, int]:
    """How many rows of each category a table has."""
    rows = record.stage(stage).table(table).scan().filter(where)
    return dict(rows.group_by("category").len().collect().iter_rows())


def _funnel(record: Record) -> list[FunnelRow]:
    """How many rows of each category are left after each stage."""
    kept = pl.col("score") >= record.config.select.threshold
    counts = {
        "prompts": record.project.prompts.categories,
        "completions": _by_category(record, "generate", ROWS, True),
        "well_formed": _by_category(record, "filter", ROWS, True),
        "judged": _by_category(record, "judge", SCORES, pl.col("score").is_not_null()),
        "kept": _by_category(record, "judge", SCORES, kept),
        "examples": _by_category(record, "select", ROWS, True),
    }
    return [
        FunnelRow(category, **{name: found.get(category, 0) for name, found in counts.items()})
        for category in sorted(counts["prompts"])
    ]


def _drops(record: Record) -> list[DropRow]:
    rows = []
    for stage in ("filter", "select", "pack"):
        dropped = (
            record.stage(stage).table(DROPPED).scan().group_by("reason").len("count").collect()
        )
        reasons = dropped.sort("count", "reason", descending=[True, False])
        rows += [DropRow(stage, reason, count) for reason, count in reasons.iter_rows()]
    return rows


def _histogram(record: Record) -> list[ScoreCount]:
    scores = record.stage("judge").table(SCORES).scan().drop_nulls("score")
    counts = scores.group_by("score").len("count").sort("score").collect()
    return [ScoreCount(score, count) for score, count in counts.iter_rows()]


def _rl_curve(record: Record, arm: str) -> list[RlStep]:
    """Reward against truth, step by step."""
    folder = record.stage(f"rl/{arm}")
    if folder.manifest() is None:
        return []
    steps = {row["step"]: row for row in json.loads((folder.path / CURVE).read_text("utf-8"))}
    means = (
        folder.table()
        .scan()
        .group_by("step")
        .agg(pl.col("reward", "truth", "retrieved").mean(), length=pl.col("tokens").mean())
        .sort("step")
        .collect()
    )
    return [
        RlStep(
            arm=arm,
            step=row["step"],
            reward=row["reward"],
            truth=row["truth"],
            retrieval=row["retrieved"],
            length=row["length"],
            judged_share=steps[row["step"]]["judged"],
            malformed_share=steps[row["step"]]["malformed"],
            active_groups=steps[row["step"]]["advantage_groups"],
        )
        for row in means.iter_rows(named=True)
    ]


def _sft_curve(record: Record) -> list[SftStep]:
    path = record.stage("sft/sft").path / CURVE
    if not path.is_file():
        return []
    return [SftStep("sft", row["step"], row["loss"]) for row in json.loads(path.read_text("utf-8"))]


def _journeys(record: Record) -> list[JourneyRow]:
    """A row of each category that became an example, and one that did not, as far as there is room."""
    select = record.stage("select")
    first = {"keep": "first", "maintain_order": True}
    examples = select.table().scan().select("completion_id", "category")
    dropped = select.table(DROPPED).scan().select("id", "reason")
    ids = [
        *dropped.unique("reason", **first).head(2).collect()["id"],  # type: ignore[arg-type]
        *examples.unique("category", **first).collect()["completion_id"],  # type: ignore[arg-type]
    ]
    rows = []
    for row_id in ids[:JOURNEYS]:
        for journey in journeys_of(record, row_id):
            prompt = journey.prompt
            text = "\n".join(f"{m['role']}: {m['content']}" for m in prompt.messages)
            rows.append(JourneyRow(row_id, prompt.category, text, journey.steps))
    return rows


def _warnings(record: Record) -> list[str]:
    """What a reader must know before believing the numbers."""
    found = []
    if record.has("select"):
        settings, counts = record.config.select, record.stage("select").recorded("counts")
        found += [
            f"Category '{name}' has {count} examples, fewer than select.quota = {settings.quota}."
            for name, count in counts["short"].items()
        ]
        found += [
            f"Clause '{name}' has {count} examples, fewer than select.clause_quota = {settings.clause_quota}."
            for name, count in counts["short_clauses"].items()
        ]
        dropped = record.stage("select").table(DROPPED).scan()
        unjudged = dropped.filter(pl.col("reason") == "unjudged").collect().height
        if unjudged:
            found.append(
                f"{unjudged} completions are unjudged: too few of their judgements gave a score. None was selected."
            )
        if not counts["rows_out"]:
            found.append("No completion became an example: SFT saw capability rows alone.")
    for arm in record.config.evaluate.arms:
        facts = record.stage(f"evaluate/{arm}").recorded("facts")
        if facts["never_came"]:
            found.append(
                f"Arm {arm}: {facts['never_came']} completions never came; they are missing under every metric."
            )
        if facts["missing"]:
            found.append(
                f"Arm {arm}: {facts['missing']} grades are missing, because a completion, or the judge's word on it, never came; they count nowhere."
            )
        if facts["malformed"]:
            found.append(
                f"Arm {arm}: {facts['malformed']} completions are malformed and fail every metric."
            )
    return found
