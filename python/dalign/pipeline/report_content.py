"""Gathers what a run left into the content of its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from dalign.pipeline.context import RunContext
from dalign.pipeline.data_stages import SCORES
from dalign.pipeline.journey import journey_of
from dalign.records.values import (
    DropRow,
    FunnelRow,
    JourneyRow,
    MetricRow,
    ModelUsed,
    PairRow,
    RlStep,
    ScoreCount,
    SftStep,
    StageRow,
    StateCount,
)
from dalign.report.content import ReportContent
from dalign.settings import dump_toml
from dalign.store import ROWS, StageFolder

JOURNEYS = 6


def report_content(ctx: RunContext, results: Mapping[str, Any], *, created: str) -> ReportContent:
    """The report's content; parts whose stages the config's arms do not need are empty."""
    made_data = ctx.folder("select").manifest() is not None
    judge = ctx.folder("judge").manifest() or {"counts": {}}
    return ReportContent(
        title=f"dalign: {ctx.run.resolve().name}",
        created=created,
        config_toml=dump_toml(ctx.config),
        models=_models(ctx),
        probes=list(_probe_sentences(ctx)),
        seed=ctx.config.run.seed,
        command=f"dalign run --run {ctx.run}",
        funnel=_funnel(ctx) if made_data else [],
        drops=_drops(ctx) if made_data else [],
        score_histogram=_histogram(ctx) if made_data else [],
        states=[
            StateCount(state, count) for state, count in judge["counts"].get("states", {}).items()
        ],
        curves=[row for arm in ("rl", "sft+rl") for row in _rl_curve(ctx.folder("rl", arm), arm)],
        sft_curve=_sft_curve(ctx.folder("sft", "sft")),
        journeys=_journeys(ctx) if made_data else [],
        alarms=[],
        warnings=_warnings(ctx),
        rows=[MetricRow(**row) for row in results["rows"]],
        pairs=[PairRow(**row) for row in results["pairs"]],
        stages=[StageRow(**row) for row in results["stages"]],
        **{
            name: results[name]
            for name in (
                "elapsed_s",
                "version",
                "spec_sha256",
                "spec_versions",
                "templates_sha256",
                "config_sha256",
            )
        },
    )


def _models(ctx: RunContext) -> list[ModelUsed]:
    models = (("trained", ctx.config.model), ("judge", ctx.config.judge_of_record))
    return [ModelUsed(role, model.path, ctx.model_fingerprint(model)) for role, model in models]


def _probe_sentences(ctx: RunContext) -> list[str]:
    return list((ctx.folder("pack").manifest() or {"facts": {}})["facts"].get("template_probe", []))


def _funnel(ctx: RunContext) -> list[FunnelRow]:
    """How many rows of each category are left after each stage."""
    prompts = pl.Series("category", [p.category for p in ctx.prompts], dtype=pl.String).to_frame()
    scores = pl.read_parquet(ctx.folder("judge").path / SCORES)
    stations = {
        "prompts": prompts,
        "completions": ctx.folder("generate").rows(),
        "well_formed": ctx.folder("filter").rows(),
        "judged": scores.filter(pl.col("score").is_not_null()),
        "kept": scores.filter(pl.col("score") >= ctx.config.select.threshold),
        "examples": ctx.folder("select").rows(),
    }
    counts = {
        name: dict(frame["category"].value_counts().iter_rows()) for name, frame in stations.items()
    }
    return [
        FunnelRow(category, **{name: counts[name].get(category, 0) for name in stations})
        for category in sorted(counts["prompts"])
    ]


def _drops(ctx: RunContext) -> list[DropRow]:
    rows = []
    for stage in ("filter", "select", "pack"):
        reasons = (
            ctx.folder(stage)
            .dropped()["reason"]
            .value_counts()
            .sort("count", "reason", descending=[True, False])
        )
        rows += [DropRow(stage, reason, count) for reason, count in reasons.iter_rows()]
    return rows


def _histogram(ctx: RunContext) -> list[ScoreCount]:
    scores = pl.read_parquet(ctx.folder("judge").path / SCORES)["score"].drop_nulls()
    counts = scores.value_counts().sort("score")
    return [ScoreCount(score, count) for score, count in counts.iter_rows()]


def _rl_curve(folder: StageFolder, arm: str) -> list[RlStep]:
    """Reward against truth, step by step."""
    path = folder.path / ROWS
    if not path.is_file():
        return []
    steps = {
        row["step"]: row for row in json.loads((folder.path / "curve.json").read_text("utf-8"))
    }
    means = (
        pl.read_parquet(path)
        .group_by("step")
        .agg(pl.col("reward", "truth", "retrieved").mean(), length=pl.col("tokens").mean())
        .sort("step")
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


def _sft_curve(folder: StageFolder) -> list[SftStep]:
    path = folder.path / "curve.json"
    if not path.is_file():
        return []
    return [SftStep("sft", row["step"], row["loss"]) for row in json.loads(path.read_text("utf-8"))]


def _journeys(ctx: RunContext) -> list[JourneyRow]:
    """A row of each category that became an example, and one that did not, as far as there is room."""
    examples = ctx.folder("select").rows().unique("category", keep="first", maintain_order=True)
    dropped = ctx.folder("select").dropped().unique("reason", keep="first", maintain_order=True)
    ids = [*dropped["id"].to_list()[:2], *examples["completion_id"].to_list()][:JOURNEYS]
    rows = []
    for row_id in ids:
        journey = journey_of(ctx, row_id)
        prompt = journey.prompt
        text = "\n".join(f"{m['role']}: {m['content']}" for m in prompt.messages)
        rows.append(JourneyRow(row_id, prompt.category, text, journey.steps))
    return rows


def _warnings(ctx: RunContext) -> list[str]:
    """What a reader must know before believing the numbers."""
    found = []
    selected = ctx.folder("select").manifest()
    if selected is not None:
        for name, count in selected["counts"]["short"].items():
            found.append(
                f"Category '{name}' has {count} examples, fewer than select.quota = {ctx.config.select.quota}."
            )
        for name, count in selected["counts"]["short_clauses"].items():
            found.append(
                f"Clause '{name}' has {count} examples, fewer than select.clause_quota = {ctx.config.select.clause_quota}."
            )
        dropped = ctx.folder("select").dropped()
        unjudged = dropped.filter(pl.col("reason") == "unjudged").height
        if unjudged:
            found.append(
                f"{unjudged} completions are unjudged: too few of their judgements gave a score. None was selected."
            )
        if not ctx.folder("select").rows().height:
            found.append("No completion became an example: SFT saw capability rows alone.")
    for arm in ctx.config.evaluate.arms:
        facts = (ctx.folder("evaluate", arm).manifest() or {"facts": {}})["facts"]
        if facts.get("unjudged"):
            found.append(
                f"Arm {arm}: {facts['unjudged']} grades are missing, because the judge gave no score; they count nowhere."
            )
        if facts.get("malformed"):
            found.append(
                f"Arm {arm}: {facts['malformed']} completions are malformed and fail every metric."
            )
    return found
