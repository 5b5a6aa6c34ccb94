"""The evaluate stage: one arm's completions on every suite, graded by truth and by the judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from dalign import generate
from dalign.config import Suite
from dalign.evaluate import grades as grading
from dalign.evaluate.metrics import metric_rows
from dalign.judge.data import judge_questions
from dalign.judge.verdicts import Court, Question, reduce_verdicts
from dalign.models.completions import complete
from dalign.models.protocol import Engine, Request, Sampling
from dalign.models.reasoning import parse
from dalign.models.replies import replies_to, words_of
from dalign.pipeline.context import RunContext
from dalign.rows import row_seed
from dalign.store import StageFolder, write_parquet

METRICS = "metrics.json"
GRADES = "grades.parquet"
Inputs = dict[str, object]

# Which stage trained an arm's checkpoint; the other arms are the base.
TRAINED_BY = {"sft": ("sft", "sft"), "rl": ("rl", "rl"), "sft+rl": ("rl", "sft+rl")}
FINAL = "final"


def arm_checkpoint(ctx: RunContext, arm: str) -> Path | None:
    """The folder of the arm's trained checkpoint; None for the base."""
    return ctx.folder(*TRAINED_BY[arm]).path / FINAL if arm in TRAINED_BY else None


def arm_engine(ctx: RunContext, arm: str) -> Engine:
    """The engine of an arm's model."""
    checkpoint = arm_checkpoint(ctx, arm)
    return ctx.engine(ctx.config.model) if checkpoint is None else ctx.trained_engine(checkpoint)


def evaluate_inputs(ctx: RunContext, arm: str) -> Inputs:
    """What determines an arm's grades."""
    trained = ctx.folder(*TRAINED_BY[arm]).output_sha256() if arm in TRAINED_BY else None
    return {
        "arm": arm,
        "model": ctx.model_fingerprint(ctx.config.model),
        "trained": trained,
        "suites": {
            s.name: [ctx.file_sha256(s.path), ctx.file_sha256(s.patterns), s.metrics, s.judge]
            for s in ctx.config.evaluate.suites
        },
        "settings": ctx.config.evaluate.model_dump(exclude={"suites", "arms"}),
        "pass_score": ctx.config.pass_score,
        "reasoning": ctx.config.model.reasoning.model_dump(),
        "judge": ctx.judge_inputs(prompt for suite in ctx.suites.values() for prompt in suite),
    }


def run_evaluate(ctx: RunContext, folder: StageFolder) -> None:
    """Completions of every suite, parsed, graded; then the metrics."""
    arm = folder.variant
    made = [_completions(ctx, arm, suite, folder) for suite in ctx.config.evaluate.suites]
    rows = pl.concat(made) if made else pl.DataFrame()
    rows = _with_scores(ctx, rows, folder)
    graded = grading.grades_frame(_grades(ctx, rows, folder))
    write_parquet(graded, folder.path / GRADES)
    path = f"{folder.stage}/{folder.variant}/part-00000.parquet"
    settings = ctx.config.evaluate
    metrics = metric_rows(
        arm, graded, resamples=settings.resamples, seed=ctx.config.run.seed, rows_path=path
    )
    facts = {
        "metrics": metrics,
        "malformed": rows.filter(pl.col("status") != "ok").height,
        "unjudged": _missing(graded),
    }
    counts = {
        "rows_in": sum(map(len, ctx.suites.values())),
        "rows_out": rows.height,
        "taken_over": folder.taken_over(),
    }
    folder.finish(
        evaluate_inputs(ctx, arm),
        rows=rows,
        counts=counts,
        facts=facts,
        spec_versions=ctx.spec.versions,
    )


def _missing(graded: pl.DataFrame) -> int:
    return int(graded["grade"].null_count())


def _completions(ctx: RunContext, arm: str, suite: Suite, folder: StageFolder) -> pl.DataFrame:
    """The arm's completions of one suite, split into reasoning and answer."""
    prompts = ctx.suites[suite.name]
    settings = ctx.config.evaluate
    if arm == "spec":
        conversations = generate.with_spec(prompts, ctx.spec, ctx.templates)
    elif arm == "summaries":
        conversations = generate.with_summaries(prompts, ctx.spec, ctx.templates)
    else:
        conversations = [prompt.messages for prompt in prompts]
    rows = complete(
        arm_engine(ctx, arm),
        prompts,
        conversations,
        Sampling(settings.temperature, settings.max_new_tokens),
        variant=f"evaluate {suite.name}",
        n=settings.samples,
        seed=ctx.config.run.seed,
        journal=folder.journal(f"completions.{suite.name}"),
        progress=ctx.progress,
        name=f"evaluate/{arm} {suite.name}",
    )
    parsed = parse(
        rows["text"],
        rows["finish"] == "length",
        ctx.config.model.reasoning,
        opened=ctx.opened(by_the_engine=arm not in TRAINED_BY),
    )
    both = pl.concat([rows, parsed], how="horizontal")
    return both.with_columns(suite=pl.lit(suite.name), arm=pl.lit(arm))


def _with_scores(ctx: RunContext, rows: pl.DataFrame, folder: StageFolder) -> pl.DataFrame:
    """The rows with the judge's score of each well-formed answer; a suite's equal (prompt, answer) pairs are judged once."""
    judged = {suite.name for suite in ctx.config.evaluate.suites if suite.judge}
    # Ids are a suite's own: two suites of a user may both have a prompt "1".
    prompts = {(name, prompt.id): prompt for name, suite in ctx.suites.items() for prompt in suite}
    same = ["suite", "prompt_id", "answer"]
    asked = rows.filter((pl.col("status") == "ok") & pl.col("suite").is_in(list(judged)))
    firsts = asked.unique(same, keep="first", maintain_order=True)
    # The answer alone is judged, as in RL: every arm is graded alike, whether or not it cites.
    questions = [
        Question(
            r["id"],
            r["category"],
            prompts[r["suite"], r["prompt_id"]].messages,
            r["answer"],
            reasoning=None,
        )
        for r in firsts.iter_rows(named=True)
    ]
    if not questions:
        return rows.with_columns(judge_score=pl.lit(None, dtype=pl.Float64))
    scale = ctx.scale(ctx.config.evaluate.judge_k)
    verdicts = judge_questions(
        ctx.court(), questions, scale, Sampling(ctx.config.judge.temperature, ctx.config.judge.max_new_tokens),
        journal=folder.journal("judge"), progress=ctx.progress, name=f"evaluate/{folder.variant} judge",
    )  # fmt: skip
    write_parquet(verdicts, folder.path / "verdicts.parquet")
    scores = reduce_verdicts(verdicts, scale).select(id="completion_id", judge_score="score")
    keyed = firsts.select(*same, "id").join(scores, on="id").drop("id")
    joined = rows.join(keyed, on=same, how="left", maintain_order="left")
    seen = (pl.col("status") == "ok") & pl.col("suite").is_in(list(judged))
    return joined.with_columns(judge_score=pl.when(seen).then(pl.col("judge_score")))


def _grades(ctx: RunContext, rows: pl.DataFrame, folder: StageFolder) -> list[grading.Grade]:
    """Every grade of the rows, suite by suite."""
    grades: list[grading.Grade] = []
    for suite in ctx.config.evaluate.suites:
        prompts = {prompt.id: prompt for prompt in ctx.suites[suite.name]}
        patterns = ctx.patterns.get(suite.name)
        graded = []
        for r in rows.filter(pl.col("suite") == suite.name).iter_rows(named=True):
            good = r["status"] == "ok"
            row = grading.Graded(
                r["id"],
                suite.name,
                prompts[r["prompt_id"]],
                r["reasoning"] if good else None,
                r["answer"] if good else None,
            )
            graded.append(row)
            if patterns is not None:
                grades += grading.truth_grades(row, patterns, suite.metrics)
            if suite.judge:
                grades += grading.judge_grades(
                    row, r["judge_score"], ctx.config.pass_score, suite.metrics
                )
        if suite.judge and "policy_retrieval" in suite.metrics:
            grades += _retrieval(ctx, suite.name, graded, folder)
    return grades


def _retrieval(
    ctx: RunContext, suite: str, graded: Sequence[grading.Graded], folder: StageFolder
) -> list[grading.Grade]:
    """Policy retrieval by a prompted classifier, for reasoning models whose templates ask for it (paper 4.2)."""
    if ctx.config.model.reasoning.kind == "none" or not ctx.templates.has("retrieval_user.j2"):
        return []
    court = ctx.court()
    governed = [row for row in graded if row.prompt.category in ctx.spec.names]
    found = {row.id: grading.excerpts(row.reasoning) if row.reasoning else [] for row in governed}
    requests = [_classify(ctx, court, row.id, found[row.id]) for row in governed if found[row.id]]
    name = f"evaluate/{folder.variant} {suite} retrieval"
    sampling = Sampling(0.0, ctx.config.judge.max_new_tokens)
    replies, taken_over = replies_to(
        court.engine, requests, sampling,
        journal=folder.journal(f"retrieval.{suite}"), progress=ctx.progress, name=name,
    )  # fmt: skip
    ctx.progress.finish(name, f"{len(replies)} replies{words_of(taken_over)}")
    named = {
        row.id: grading.category_named(replies[row.id].text, ctx.spec.names)
        if found[row.id]
        else None
        for row in governed
    }
    return [grade for row in governed for grade in grading.retrieval_grades(row, named[row.id])]


def _classify(ctx: RunContext, court: Court, row: str, found: Sequence[str]) -> Request:
    messages = court.retrieval_messages(ctx.spec.names, found, row)
    return Request(row, messages, row_seed(ctx.config.run.seed, "retrieval", row))
