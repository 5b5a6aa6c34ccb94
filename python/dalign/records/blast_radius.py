"""The blast radius of a change to the policy: what of a run depends on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign.records.citations import Citations
from dalign.records.record import Record, open_record, rows_in
from dalign.spec.hashes import shown_hashes
from dalign.spec.types import GENERAL, Spec
from dalign.store.parts import ROWS
from dalign.vocabulary import ARMS, lineage

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
    record = open_record(run)
    categories = _changed(shown_hashes(old), shown_hashes(new))
    clauses = _changed(_clause_hashes(old), _clause_hashes(new))
    of_category = pl.col("category").is_in(categories)
    ids = {
        "completions": _ids(record, "generate/main", of_category),
        "verdicts": _ids(record, "judge/main", of_category),
        "examples": _ids(record, "select/main", of_category),
    }
    rewarded = bool(set(categories) & record.project.rl_prompts.categories.keys())
    checkpoints = _checkpoints(record, examples=bool(ids["examples"]), rewarded=rewarded)
    prompts = record.project.prompts.table.scan().filter(of_category).select("id").collect()
    rows = {
        "prompts": prompts["id"].to_list(),
        **ids,
        "checkpoints": checkpoints,
        "evaluation_rows": _evaluated(record, categories, checkpoints),
    }
    return BlastRadius(categories, clauses, rows, _cites(record, (old, new), set(clauses)))


def _clause_hashes(spec: Spec) -> dict[str, str]:
    return {clause.id: clause.sha256 for clause in spec.clauses()}


def _changed(old: dict[str, str], new: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(n for n in old.keys() | new.keys() if old.get(n) != new.get(n)))


def _ids(record: Record, stage: str, where: pl.Expr) -> list[str]:
    """The ids of a stage's rows; none where it has not finished."""
    if not record.has(stage):
        return []
    rows = record.stage(stage).table().scan().filter(where).select("id").collect()
    found: list[str] = rows["id"].to_list()
    return found


def _checkpoints(record: Record, *, examples: bool, rewarded: bool) -> list[str]:
    """The trained checkpoints: by their examples, by the judge of their rewards, or by the checkpoint they start from."""
    depends = []
    for arm in ARMS.values():
        by = [each.trained_by for each in lineage(arm.name)]
        if arm.checkpoint and ((examples and "sft" in by) or (rewarded and "rl" in by)):
            depends.append("/".join(arm.checkpoint))
    return [name for name in depends if record.has(name)]


def _evaluated(record: Record, categories: Iterable[str], checkpoints: list[str]) -> list[str]:
    """Rows whose completion or verdict depends on it, `arm/suite/id` each."""
    judged = [suite.name for suite in record.config.evaluate.suites if suite.judge]
    found = []
    for name in record.config.evaluate.arms:
        arm = ARMS[name]
        if not record.has(f"evaluate/{name}"):
            continue
        rows = record.stage(f"evaluate/{name}").table().scan().select("suite", "id", "category")
        if arm.checkpoint is None or "/".join(arm.checkpoint) not in checkpoints:
            # The category `general` is affected where a summary or a principle is.
            in_sight = arm.in_sight == "category" or (
                arm.in_sight == "summaries" and GENERAL in categories
            )
            seen = pl.lit(True) if in_sight else pl.col("suite").is_in(judged)
            rows = rows.filter(seen & pl.col("category").is_in(list(categories)))
        found += [f"{name}/{suite}/{row}" for suite, row, _ in rows.collect().iter_rows()]
    return found


def _cites(record: Record, specs: tuple[Spec, Spec], changed: set[str]) -> dict[str, list[str]]:
    """The rows that name one of the changed clauses; an example does where its completion's reasoning or answer does."""
    citations = Citations(specs, record.project.patterns.values())
    columns = {
        "completions": ("generate/main", ["text"]),
        "verdicts": ("judge/main", ["reply"]),
        "examples": ("select/main", ["reasoning", "answer"]),
    }
    return {
        kind: [
            str(row)
            for row, category, *said in rows_in(record, stage, ROWS, ["id", "category", *texts])
            if citations.of("\n".join(map(str, said)), str(category)) & changed
        ]
        for kind, (stage, texts) in columns.items()
    }
