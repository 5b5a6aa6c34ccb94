"""The blast radius of a change to the policy: what of a run depends on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from dalign.data.prompts import read_prompts
from dalign.pipeline.citations import Citations
from dalign.pipeline.context import RunContext, open_run
from dalign.pipeline.evaluate_stage import TRAINED_BY
from dalign.spec.hashes import shown_hashes
from dalign.spec.types import GENERAL, Spec
from dalign.store import ROWS

# What is told of, in the order of the pipeline.
KINDS = ("prompts", "completions", "verdicts", "examples", "checkpoints", "evaluation_rows")


@dataclass(frozen=True)
class BlastRadius:
    """What of a run depends on the difference of two policies, by row id.

    categories: those of which a model is shown something else, `general` among them. clauses: those that are new,
    gone or changed. rows: ids by `KINDS`; a checkpoint's is `stage/variant`. cites: ids of the completions, verdicts
    and examples that name one of the clauses; a stage that has not run has no rows.
    """

    categories: tuple[str, ...]
    clauses: tuple[str, ...]
    rows: dict[str, list[str]]
    cites: dict[str, list[str]]


def blast_radius(run: Path, old: Spec, new: Spec) -> BlastRadius:
    """What of the run depends on the difference between two policies. Raises InputError if it is no run."""
    ctx = open_run(run)
    data = ctx.config.data
    # Prompts may name categories and clauses of either policy.
    either = replace(old, categories=(*old.categories, *new.categories))
    prompts = read_prompts(data.prompts, either)
    rl_prompts = prompts if data.rl_prompts is None else read_prompts(data.rl_prompts, either)
    categories = _changed(shown_hashes(old), shown_hashes(new))
    clauses = _changed(_clause_hashes(old), _clause_hashes(new))
    frames = {
        "completions": _rows(ctx, "generate/main", categories),
        "verdicts": _rows(ctx, "judge/main", categories),
        "examples": _rows(ctx, "select/main", categories),
    }
    rewarded = any(prompt.category in categories for prompt in rl_prompts)
    checkpoints = _checkpoints(ctx, examples=frames["examples"].height > 0, rewarded=rewarded)
    rows = {
        "prompts": [p.id for p in prompts if p.category in categories],
        **{name: frame["id"].to_list() for name, frame in frames.items()},
        "checkpoints": checkpoints,
        "evaluation_rows": _evaluated(ctx, categories, checkpoints),
    }
    cites = _cites(ctx, (old, new), set(clauses))
    return BlastRadius(categories, clauses, rows, cites)


def _clause_hashes(spec: Spec) -> dict[str, str]:
    return {clause.id: clause.sha256 for clause in spec.clauses()}


def _changed(old: dict[str, str], new: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(n for n in old.keys() | new.keys() if old.get(n) != new.get(n)))


def _rows(ctx: RunContext, stage: str, categories: Iterable[str] | None = None) -> pl.DataFrame:
    """The rows of a stage, of these categories alone if given; none where it has not finished."""
    if ctx.folder(*stage.split("/")).manifest() is None:
        return pl.DataFrame(schema={"id": pl.String, "category": pl.String})
    frame = pl.read_parquet(ctx.run / stage / ROWS)
    return frame if categories is None else frame.filter(pl.col("category").is_in(list(categories)))


def _checkpoints(ctx: RunContext, *, examples: bool, rewarded: bool) -> list[str]:
    """The trained checkpoints: by their examples, by the judge of their rewards, or by the checkpoint they start from."""
    depends = {"sft/sft": examples, "rl/rl": rewarded, "rl/sft+rl": rewarded or examples}
    return [
        name
        for name, does in depends.items()
        if does and ctx.folder(*name.split("/")).manifest() is not None
    ]


def _evaluated(ctx: RunContext, categories: Iterable[str], checkpoints: list[str]) -> list[str]:
    """Rows whose completion or verdict depends on it, `arm/suite/id` each."""
    judged = [suite.name for suite in ctx.config.evaluate.suites if suite.judge]
    found = []
    for arm in ctx.config.evaluate.arms:
        rows = _rows(ctx, f"evaluate/{arm}")
        trained = "/".join(TRAINED_BY[arm]) if arm in TRAINED_BY else None
        if rows.height and trained not in checkpoints:
            # The category `general` is affected where a summary or a principle is.
            in_sight = arm == "spec" or (arm == "summaries" and GENERAL in categories)
            seen = pl.lit(True) if in_sight else pl.col("suite").is_in(judged)
            rows = rows.filter(seen & pl.col("category").is_in(list(categories)))
        found += [f"{arm}/{row['suite']}/{row['id']}" for row in rows.iter_rows(named=True)]
    return found


def _cites(ctx: RunContext, specs: tuple[Spec, Spec], changed: set[str]) -> dict[str, list[str]]:
    """The rows that name one of the changed clauses; an example does where its completion's reasoning or answer does."""
    citations = Citations(specs, ctx.patterns.values())
    columns = {
        "completions": ("generate/main", ("text",)),
        "verdicts": ("judge/main", ("reply",)),
        "examples": ("select/main", ("reasoning", "answer")),
    }
    return {
        kind: [
            row["id"]
            for row in _rows(ctx, stage).iter_rows(named=True)
            if citations.of("\n".join(row[name] for name in texts), row["category"]) & changed
        ]
        for kind, (stage, texts) in columns.items()
    }
