"""A row's journey: everything in a run that descends from one prompt, or leads to one row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from dalign.errors import InputError
from dalign.pipeline.context import RunContext
from dalign.pipeline.evaluate_stage import GRADES
from dalign.records.values import JourneyStep, Scalar
from dalign.rows import Prompt
from dalign.store import DROPPED, ROWS


@dataclass(frozen=True)
class Journey:
    """A prompt, and what became of it."""

    prompt: Prompt
    steps: tuple[JourneyStep, ...]


def journey_of(ctx: RunContext, row_id: str) -> Journey:
    """The journey of the row with that id, or whose id starts so. Raises InputError if there is none, or several."""
    prompts = {
        p.id: p
        for p in (*ctx.prompts, *ctx.rl_prompts, *(p for ps in ctx.suites.values() for p in ps))
    }
    owners = {prompt: prompt for prompt in prompts if prompt.startswith(row_id)}
    for stage, frame in _frames(ctx):
        found = _matching(frame, row_id)
        owners |= {
            row["id"]: row["prompt_id"]
            for row in found.iter_rows(named=True)
            if row["prompt_id"] in prompts
        }
        if stage == "judge/main" and not found.is_empty():
            owners |= _owners_of_verdicts(ctx, found)
    wanted = set(owners.values())
    if not wanted:
        raise InputError(
            f"{ctx.run}: no row's id starts with '{row_id}'; ids stand in the first column of the Parquet files and in the report"
        )
    if len(wanted) > 1:
        raise InputError(
            f"'{row_id}' is the start of {len(wanted)} prompts' rows (such as {', '.join(sorted(owners)[:3])}); give more characters"
        )
    prompt = prompts[wanted.pop()]
    return Journey(prompt, tuple(_steps(ctx, prompt)))


def _frames(ctx: RunContext) -> Iterator[tuple[str, pl.DataFrame]]:
    """The stages' tables that name a prompt by id."""
    names = [
        "generate/main",
        "judge/main",
        "select/main",
        *(f"evaluate/{arm}" for arm in ctx.config.evaluate.arms),
    ]
    for name in names:
        path = ctx.run / name / ROWS
        if path.is_file():
            frame = pl.read_parquet(path)
            if "prompt_id" not in frame.columns:
                frame = frame.with_columns(prompt_id=pl.lit(None, dtype=pl.String))
            yield name, frame


def _matching(frame: pl.DataFrame, row_id: str) -> pl.DataFrame:
    return frame.filter(pl.col("id").str.starts_with(row_id))


def _owners_of_verdicts(ctx: RunContext, verdicts: pl.DataFrame) -> dict[str, str]:
    completions = dict(ctx.folder("generate").rows().select("id", "prompt_id").iter_rows())
    return {row["id"]: completions[row["completion_id"]] for row in verdicts.iter_rows(named=True)}


def _steps(ctx: RunContext, prompt: Prompt) -> Iterator[JourneyStep]:
    """The stations, stage by stage."""
    mine: set[str] = set()
    for row in _rows(ctx, "generate/main", ROWS, "prompt_id", {prompt.id}):
        mine.add(row["id"])
        yield JourneyStep(
            "generate",
            row["id"],
            row["text"],
            {"completion": row["index"], "finish": row["finish"], "tokens": row["tokens"]},
        )
    for row in _rows(ctx, "filter/main", DROPPED, "id", mine):
        yield JourneyStep("filter", row["id"], row["detail"], {"dropped": row["reason"]})
    for row in _rows(ctx, "filter/main", ROWS, "id", mine):
        yield JourneyStep(
            "filter",
            row["id"],
            f"reasoning: {row['reasoning']}\nanswer: {row['answer']}",
            {"status": "ok"},
        )
    for row in _rows(ctx, "judge/main", ROWS, "completion_id", mine):
        yield JourneyStep(
            "judge",
            row["id"],
            row["reply"],
            {"sample": row["sample"], "state": row["state"], "score": row["score"]},
        )
    for row in _rows(ctx, "judge/main", "scores.parquet", "completion_id", mine):
        yield JourneyStep(
            "judge",
            row["completion_id"],
            "",
            {
                "aggregate": ctx.config.judge.aggregate,
                "valid": row["n_valid"],
                "score": row["score"],
            },
        )
    for row in _rows(ctx, "select/main", DROPPED, "id", mine):
        yield JourneyStep(
            "select", row["id"], "", {"dropped": row["reason"], "detail": row["detail"]}
        )
    for row in _rows(ctx, "select/main", ROWS, "prompt_id", {prompt.id}):
        yield JourneyStep(
            "select",
            row["id"],
            f"{row['reasoning']}\n{row['answer']}",
            {"score": row["score"]},
        )
        yield from _packed(ctx, row["id"])
    yield from _rollout_steps(ctx, prompt)
    yield from _evaluation_steps(ctx, prompt)


def _rows(
    ctx: RunContext, stage: str, file: str, column: str, ids: set[str]
) -> Iterator[dict[str, Any]]:
    path = ctx.run / stage / file
    if ids and path.is_file():
        yield from (
            pl.read_parquet(path).filter(pl.col(column).is_in(list(ids))).iter_rows(named=True)
        )


def _packed(ctx: RunContext, example: str) -> Iterator[JourneyStep]:
    path = ctx.run / "pack/main" / ROWS
    if path.is_file():
        bins = pl.read_parquet(path, columns=["rows", "input_ids"]).with_row_index("bin")
        for row in bins.filter(pl.col("rows").list.contains(example)).iter_rows(named=True):
            yield JourneyStep(
                "pack",
                example,
                "",
                {"bin": row["bin"], "rows": len(row["rows"]), "tokens": len(row["input_ids"])},
            )


def _rollout_steps(ctx: RunContext, prompt: Prompt) -> Iterator[JourneyStep]:
    for arm in ("rl", "sft+rl"):
        rows = list(_rows(ctx, f"rl/{arm}", ROWS, "prompt_id", {prompt.id}))
        for row in rows[-2:]:
            yield JourneyStep(
                "rl",
                row["id"],
                row["text"],
                {"arm": arm, "step": row["step"], "reward": row["reward"], "rollouts": len(rows)},
            )


def _evaluation_steps(ctx: RunContext, prompt: Prompt) -> Iterator[JourneyStep]:
    for arm in ctx.config.evaluate.arms:
        grades: dict[str, dict[str, Scalar]] = {}
        for row in _rows(ctx, f"evaluate/{arm}", GRADES, "prompt_id", {prompt.id}):
            name = f"{row['metric']} by {row['grader']}"
            grades.setdefault(row["id"], {})[name] = row["grade"]
        for row in _rows(ctx, f"evaluate/{arm}", ROWS, "prompt_id", {prompt.id}):
            yield JourneyStep(
                "evaluate",
                row["id"],
                row["text"],
                {"arm": arm, "suite": row["suite"]} | grades.get(row["id"], {}),
            )
