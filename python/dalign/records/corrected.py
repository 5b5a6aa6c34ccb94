"""What a run's judge measured, put right by the errors that its card says it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from dalign.data.judge_card import AskedJudge, Card, errors_told, of_another, read_card
from dalign.evaluate.erring import prediction_powered, rogan_gladen
from dalign.figures import CardContent, Corrected, MetricRow, Share
from dalign.records.record import Record
from dalign.rows import GRADES
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
        prompts = _prompts(record, row.arm, row.suite, row.metric)
        passing = Share(round(row.value * prompts), prompts, row.value, None, None)
        known = (passing, errors.sensitivity, errors.specificity)
        value, low, high = rogan_gladen(*known) or (None, None, None)
        measured = (row.arm, row.suite, row.metric, row.value, prompts)
        found.append(Corrected(*measured, value, low, high, prediction_powered(*known)))
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


def _prompts(record: Record, arm: str, suite: str, metric: str) -> int:
    """Of how many prompts the judge graded an answer."""
    wanted: Mapping[str, str] = {"suite": suite, "metric": metric, "grader": BY_JUDGE}
    rows = record.stage(f"evaluate/{arm}").table(GRADES).scan().drop_nulls("grade")
    of = rows.filter(*(pl.col(name) == value for name, value in wanted.items()))
    return int(of.select(pl.col("prompt_id").n_unique()).collect().item())
