"""What a run's judge measured, put right by the errors that its card says it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from dalign.data.judge_card import AskedJudge, Card, errors_told, of_another, read_card
from dalign.evaluate.erring import prediction_powered, rogan_gladen
from dalign.figures import CardContent, Corrected, MetricRow, Share, wilson
from dalign.records.record import Record
from dalign.rows import GRADES, OK
from dalign.store.run import CARD
from dalign.vocabulary import BY_JUDGE

# What a judge's card says something of: whether an answer keeps the policy.
_METRICS = ("not_unsafe", "not_overrefuse")


def card_in(record: Record, rows: Sequence[MetricRow]) -> CardContent | None:
    """What the run's own card says of these results; None where it has none."""
    card = record.project.judge_card
    return None if card is None else _content(record, rows, card, record.run.inputs / CARD)


def card_at(record: Record, rows: Sequence[MetricRow], path: Path) -> CardContent:
    """What another card says of them. Raises InputError for one of another scale or threshold."""
    return _content(record, rows, read_card(path), path)


def doubts(record: Record, card: Card | CardContent | None) -> list[str]:
    """A sentence where a card is of another judge than the run's."""
    return [] if card is None else of_another(card.judge, AskedJudge.of(record.config))


def _content(record: Record, rows: Sequence[MetricRow], card: Card, path: Path) -> CardContent:
    asked = AskedJudge.of(record.config)
    errors = errors_told(card, asked, path)
    found = []
    for row in rows:
        if row.grader != BY_JUDGE or row.metric not in _METRICS or row.value is None:
            continue
        value, prompts = _seen(record, row)
        if value is None:
            continue
        passing = Share(round(value * prompts), prompts, *_wilson(value, prompts))
        known = (passing, errors.sensitivity, errors.specificity)
        right, low, high = rogan_gladen(*known) or (None, None, None)
        measured = (row.arm, row.suite, row.metric, value, prompts)
        found.append(Corrected(*measured, right, low, high, prediction_powered(*known)))
    return CardContent(
        judge=card.judge,
        errors=errors,
        judge_k=asked.k,
        raters=card.raters,
        drawn=max(map(int, card.by_k), default=None),
        threshold=card.threshold,
        low=card.low,
        high=card.high,
        diagram=card.diagram,
        rows=found,
    )


def _wilson(value: float, n: int) -> tuple[float, float, float]:
    return (value, *wilson(value, n))


def _seen(record: Record, row: MetricRow) -> tuple[float | None, int]:
    """The rate of those answers that the judge has seen, and of how many prompts they are: a malformed completion is none of its errors."""
    stage = record.stage(f"evaluate/{row.arm}")
    wanted: Mapping[str, str] = {"suite": row.suite, "metric": row.metric, "grader": BY_JUDGE}
    grades = stage.table(GRADES).scan().drop_nulls("grade")
    grades = grades.filter(*(pl.col(name) == value for name, value in wanted.items()))
    formed = stage.table().scan().filter(pl.col("suite") == row.suite, pl.col("status") == OK)
    seen = grades.join(formed.select("id"), on="id", how="semi")
    of = seen.select(pl.col("grade").mean(), pl.col("prompt_id").n_unique()).collect()
    value, prompts = of.row(0)
    return value, prompts
