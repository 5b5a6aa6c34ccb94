"""A row's journey: everything in a run that descends from one prompt, or leads to one row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from dalign.errors import InputError
from dalign.pipeline.context import RunContext
from dalign.pipeline.evaluate_stage import GRADES
from dalign.rows import Prompt
from dalign.store import DROPPED, ROWS


@dataclass(frozen=True)
class Step:
    """One station of a journey. `text` is model output or user input: untrusted."""

    stage: str
    row: str
    text: str
    note: str


@dataclass(frozen=True)
class Journey:
    """A prompt, and what became of it."""

    prompt: Prompt
    steps: tuple[Step, ...]


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


def _steps(ctx: RunContext, prompt: Prompt) -> Iterator[Step]:
    """The stations, stage by stage."""
    mine: set[str] = set()
    for row in _rows(ctx, "generate/main", ROWS, "prompt_id", {prompt.id}):
        mine.add(row["id"])
        yield Step(
            "generate",
            row["id"],
            row["text"],
            f"completion {row['index']}, ended by {row['finish']}, {row['tokens']} tokens",
        )
    for row in _rows(ctx, "filter/main", DROPPED, "id", mine):
        yield Step("filter", row["id"], row["detail"], f"dropped: {row['reason']}")
    for row in _rows(ctx, "filter/main", ROWS, "id", mine):
        yield Step(
            "filter",
            row["id"],
            f"reasoning: {row['reasoning']}\nanswer: {row['answer']}",
            "well formed",
        )
    for row in _rows(ctx, "judge/main", ROWS, "completion_id", mine):
        score = "no score" if row["score"] is None else f"score {row['score']:g}"
        yield Step(
            "judge", row["id"], row["reply"], f"sample {row['sample']}: {row['state']}, {score}"
        )
    for row in _rows(ctx, "judge/main", "scores.parquet", "completion_id", mine):
        score = "unjudged" if row["score"] is None else f"{row['score']:g}"
        yield Step(
            "judge",
            row["completion_id"],
            "",
            f"{ctx.config.judge.aggregate} over {row['n_valid']} valid verdicts: {score}",
        )
    for row in _rows(ctx, "select/main", DROPPED, "id", mine):
        yield Step("select", row["id"], "", f"dropped: {row['reason']} ({row['detail']})")
    for row in _rows(ctx, "select/main", ROWS, "prompt_id", {prompt.id}):
        yield Step(
            "select",
            row["id"],
            f"{row['reasoning']}\n{row['answer']}",
            f"training example, score {row['score']:g}; the policy is not in it",
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


def _packed(ctx: RunContext, example: str) -> Iterator[Step]:
    path = ctx.run / "pack/main" / ROWS
    if path.is_file():
        bins = pl.read_parquet(path, columns=["rows", "input_ids"]).with_row_index("bin")
        for row in bins.filter(pl.col("rows").list.contains(example)).iter_rows(named=True):
            yield Step(
                "pack",
                example,
                "",
                f"in bin {row['bin']} with {len(row['rows']) - 1} other rows, {len(row['input_ids'])} tokens in all",
            )


def _rollout_steps(ctx: RunContext, prompt: Prompt) -> Iterator[Step]:
    for arm in ("rl", "sft+rl"):
        rows = list(_rows(ctx, f"rl/{arm}", ROWS, "prompt_id", {prompt.id}))
        for row in rows[-2:]:
            reward = "missing" if row["reward"] is None else f"{row['reward']:.2f}"
            yield Step(
                "rl",
                row["id"],
                row["text"],
                f"{arm}, step {row['step']}: reward {reward} ({len(rows)} rollouts in all)",
            )


def _evaluation_steps(ctx: RunContext, prompt: Prompt) -> Iterator[Step]:
    for arm in ctx.config.evaluate.arms:
        grades: dict[str, list[str]] = {}
        for row in _rows(ctx, f"evaluate/{arm}", GRADES, "prompt_id", {prompt.id}):
            grade = "missing" if row["grade"] is None else f"{row['grade']:g}"
            grades.setdefault(row["id"], []).append(f"{row['metric']} by {row['grader']} {grade}")
        for row in _rows(ctx, f"evaluate/{arm}", ROWS, "prompt_id", {prompt.id}):
            yield Step(
                "evaluate",
                row["id"],
                row["text"],
                f"arm {arm}, suite {row['suite']}: {', '.join(grades.get(row['id'], ['not graded']))}",
            )
