"""What the judge gave beside its scores: means of sub-scores, and the clauses that it found violated."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from dalign.figures import SubScoreRow
from dalign.records.record import Record
from dalign.rows import SCORES, VERDICTS, Score, Verdict, sub_score_column
from dalign.store.parts import Table
from dalign.vocabulary import trained_by

_CLAUSES = ("clause_ids", "clause_verdicts")
# Steps at either end of RL, and clauses, that are told.
_STEPS, _MOST = 10, 10


def sub_score_rows(record: Record) -> list[SubScoreRow]:
    """Means on the judge's scale: of the training data by category, of each evaluated arm, and of RL's first and last steps."""
    rows = list(
        _means(record.stage("judge").table(SCORES), Score.COLUMNS, "training data, ", "category")
    )
    for arm in record.config.evaluate.arms:
        verdicts = record.stage(f"evaluate/{arm}").table(VERDICTS)
        rows += _means(verdicts, Verdict.COLUMNS, f"evaluation of {arm}")
    for trained in trained_by("rl"):
        rows += _of_rl(record, trained)
    return rows


def violated_clauses(record: Record) -> dict[str, int]:
    """How many judgements of the training data found a clause violated, those found most often first."""
    table = record.stage("judge").table()
    if not set(_CLAUSES) <= set(_names(table)):
        return {}
    said = pl.col("clause_ids")
    known = [clause.id for clause in record.project.spec.clauses()]
    named = pl.when(said.str.contains(".", literal=True)).then(said)
    clause = named.otherwise(pl.format("{}.{}", "category", "clause_ids"))
    found = (
        table.scan().select("category", *_CLAUSES).explode(*_CLAUSES)
        .filter(pl.col("clause_verdicts") == "violated")
        .group_by(clause.alias("clause")).len()
        .filter(pl.col("clause").is_in(known))
        .sort("len", "clause", descending=[True, False]).head(_MOST).collect()
    )  # fmt: skip
    return dict(found.iter_rows())


def _names(table: Table) -> list[str]:
    return table.scan().collect_schema().names() if table.paths() else []


def _means(
    table: Table, without: object, where: str, by: str | None = None
) -> Iterator[SubScoreRow]:
    """The means of a table's further columns of numbers, for each value of one of its columns."""
    schema = table.scan().collect_schema() if table.paths() else {}
    names = [n for n, kind in schema.items() if kind == pl.Float64 and n not in without]  # type: ignore[operator]
    if not names:
        return
    valid = table.scan().filter(pl.col("score").is_not_null())
    means = [*(pl.col(name).mean() for name in names), pl.len().alias("count")]
    of = pl.col(by) if by else pl.lit("")
    for value, *found, count in (
        valid.group_by(of.alias("of")).agg(means).sort("of").collect().iter_rows()
    ):
        yield SubScoreRow(f"{where}{value}", dict(zip(names, found, strict=True)), count)


def _of_rl(record: Record, arm: str) -> Iterator[SubScoreRow]:
    table = record.stage(f"rl/{arm}").table()
    prefix = sub_score_column("")
    names = [name for name in _names(table) if name.startswith(prefix)]
    if not names:
        return
    low, high = record.config.judge.low, record.config.judge.high
    rows = table.scan().filter(pl.col("judge").is_not_null())
    last = pl.col("step") > pl.col("step").max() - _STEPS
    for which, words in ((pl.col("step") <= _STEPS, "first"), (last, "last")):
        means = [(low + (high - low) * pl.col(name)).mean().alias(name) for name in names]
        [(*found, count)] = rows.filter(which).select(*means, pl.len()).collect().iter_rows()
        parts = {name.removeprefix(prefix): value for name, value in zip(names, found, strict=True)}
        yield SubScoreRow(f"RL of {arm}, {words} {_STEPS} steps", parts, count)
