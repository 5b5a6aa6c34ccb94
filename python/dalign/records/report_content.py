"""Gathers what a run left into the content of its report."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Any

import polars as pl

from dalign.figures import (
    DropRow,
    FlipRow,
    FunnelRow,
    JourneyRow,
    ModelUsed,
    ReportContent,
    Results,
    RlStep,
)
from dalign.records.admission import admission_rows, not_admitted
from dalign.records.corrected import card_in, doubts
from dalign.records.journey import journeys_of
from dalign.records.oversight import alarms_of, onsets, two_judges, watched
from dalign.records.record import Record
from dalign.records.shifts import shift_rows
from dalign.records.sub_scores import sub_score_rows, violated_clauses
from dalign.rows import SCORES
from dalign.settings import dump_toml
from dalign.store.damage import reading
from dalign.store.folder import StageFolder
from dalign.store.parts import DROPPED, ROWS
from dalign.store.run import CURVE
from dalign.vocabulary import STAGES

JOURNEYS = 6


def report_content(record: Record, results: Results, *, created: str) -> ReportContent:
    """The report's content; parts whose stages the config's arms do not need are empty."""
    config = record.config
    made_data, card = record.has("select"), card_in(record, results.rows)
    return ReportContent(
        **vars(results),
        title=f"dalign: {record.run.path.resolve().name}",
        created=created,
        config_toml=dump_toml(config),
        models=_models(record),
        probes=record.stage("pack").recorded("facts").get("template_probe", []),
        seed=config.run.seed,
        command=f"dalign run --run {quote(str(record.run.path))}",
        funnel=_funnel(record) if made_data else [],
        drops=_drops(record) if made_data else [],
        shifts=shift_rows(record) if made_data else [],
        scores=_scores(record) if made_data else {},
        states=_states(record),
        sub_scores=sub_score_rows(record),
        violated=violated_clauses(record) if made_data else {},
        admission=admission_rows(record),
        again=list(watched(record)),
        curves=[row for arm in record.trained("rl") for row in _rl_curve(record, arm)],
        losses={
            arm: [(row["step"], row["loss"]) for row in curve]
            for arm in record.trained("sft")
            if (curve := _curve(record.stage(f"sft/{arm}"), "step", "loss"))
        },
        **_distillation(record),
        journeys=_journeys(record) if made_data else [],
        warnings=[
            *warnings_of(record, config.evaluate.arms),
            *(f"{said}." for said in doubts(record, card)),
            *_cut(results),
        ],
        card=card,
    )


def _distillation(record: Record) -> dict[str, Any]:
    """What distillation came to, step by step, and what the policy changed before it."""
    stages = {arm: record.stage(f"distill/{arm}") for arm in record.trained("distill")}
    curves = {arm: _curve(stage, "step", "loss", "flip_rate") for arm, stage in stages.items()}
    told = [stage.recorded("facts").get("flips", []) for stage in stages.values()]
    return {
        "distilled": {arm: [tuple(row.values()) for row in c] for arm, c in curves.items() if c},
        "flips": [FlipRow(**row) for rows in told for row in rows],
    }


def _models(record: Record) -> list[ModelUsed]:
    config, used = record.config, record.used
    found = [
        ModelUsed("trained", config.model.path, used["model"]),
        ModelUsed("judge", config.judge_of_record.path, used["judge"]["model"]),
    ]
    arms = [arm for arm in record.trained("rl") if record.stage(f"rl/{arm}").manifest()]
    if config.second_judge_model is not None and arms:
        fingerprint, *_ = record.stage(f"rl/{arms[0]}").recorded("inputs")["second"]
        found.append(ModelUsed("second judge", config.second_judge_model.path, fingerprint))
    return found


def _states(record: Record) -> dict[str, int]:
    """The states of single judgements, and how many were not asked, as they could change nothing."""
    counts = record.stage("judge").recorded("counts")
    spared = counts.get("spared", 0)
    return counts.get("states", {}) | ({"not_asked": spared} if spared else {})


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
    for stage in (row.name for row in STAGES.values() if row.drops):
        dropped = record.stage(stage).table(DROPPED).scan()
        reasons = dropped.group_by("reason").len("count").collect()
        reasons = reasons.sort("count", "reason", descending=[True, False])
        rows += [DropRow(stage, reason, count) for reason, count in reasons.iter_rows()]
    return rows


def _scores(record: Record) -> dict[float, int]:
    scores = record.stage("judge").table(SCORES).scan().drop_nulls("score")
    return dict(scores.group_by("score").len().collect().iter_rows())


def _curve(folder: StageFolder, *names: str) -> list[dict[str, Any]]:
    """These columns of a training's log, a row a step; empty where there was none."""
    rows = folder.records(CURVE) or []
    with reading(folder.path / CURVE):
        return [{name: row[name] for name in names} for row in rows]


def _rl_curve(record: Record, arm: str) -> list[RlStep]:
    """Reward against truth, step by step."""
    folder = record.stage(f"rl/{arm}")
    if folder.manifest() is None:
        return []
    steps = folder.table().scan().group_by("step")
    means = steps.agg(pl.col("reward", "truth", "retrieved", "tokens").mean()).sort("step")
    names = ("judged", "malformed", "advantage_groups")
    logged = {row["step"]: row for row in _curve(folder, "step", *names)}
    both = two_judges(record, arm)
    return [
        RlStep(arm, step, *values, *(logged[step][name] for name in names), *both.get(step, ()))
        for step, *values in means.collect().iter_rows()
    ]


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


def warnings_of(record: Record, arms: Sequence[str]) -> list[str]:
    """What a reader must know before believing the numbers of these arms, which have been evaluated."""
    found = [*not_admitted(record), *(f"{leak}." for leak in record.project.leaks)]
    found += _shortages(record) if record.has("select") else []
    found += [*onsets(record), *alarms_of(record)]
    sentences = {
        "never_came": "completions never came; they are missing under every metric",
        "missing": "grades are missing, because a completion, or the judge's word on it, never came; they count nowhere",
        "malformed": "completions are malformed and fail every metric",
    }
    for arm in arms:
        facts = record.stage(f"evaluate/{arm}").recorded("facts")
        found += [f"Arm {arm}: {facts[n]} {said}." for n, said in sentences.items() if facts[n]]
    return found


def _cut(results: Results) -> list[str]:
    """A sentence for each arm and suite with answers that met the token limit."""
    return [
        f"Arm {form.arm}, suite {form.suite}: {form.cut_off} of {form.completions} answers are cut off at evaluate.max_new_tokens, and graded by what is there."
        for form in results.forms
        if form.cut_off
    ]


def _shortages(record: Record) -> list[str]:
    """What is missing of the training examples."""
    settings, counts = record.config.select, record.stage("select").recorded("counts")
    found = [
        f"{kind} '{name}' has {count} examples, fewer than {quota}."
        for kind, short, quota in (
            ("Category", counts["short"], f"select.quota = {settings.quota}"),
            ("Clause", counts["short_clauses"], f"select.clause_quota = {settings.clause_quota}"),
        )
        for name, count in short.items()
    ]
    dropped = record.stage("select").table(DROPPED).scan()
    unjudged = dropped.filter(pl.col("reason") == "unjudged").select(pl.len()).collect().item()
    if unjudged:
        found.append(
            f"{unjudged} completions are unjudged: too few of their judgements gave a score. None was selected."
        )
    if record.config.data.examples is not None:
        found.append(
            f"{counts['rows_in']} completions that were brought as examples were judged by nobody."
        )
    if not counts["rows_out"]:
        found.append("No completion became an example: SFT saw capability rows alone.")
    return found
