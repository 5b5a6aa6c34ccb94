"""What a run's judge measured, put right by the errors that its card says it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from dalign.errors import InputError, no_file
from dalign.figures import Share
from dalign.judge.agreement import rogan_gladen
from dalign.records.record import Record
from dalign.records.results import results_of
from dalign.rows import GRADES
from dalign.vocabulary import BY_JUDGE

# What a judge's card says something of: whether an answer keeps the policy.
_METRICS = ("not_unsafe", "not_overrefuse")


class Corrected(NamedTuple):
    """A rate as the judge measured it, and what that stands for, with the ends of its 95 % interval; None: the card's judge tells nothing.

    prompts: on so many, which is what the interval takes as independent.
    """

    arm: str
    suite: str
    metric: str
    measured: float
    prompts: int
    value: float | None
    low: float | None
    high: float | None


def read_card(path: Path) -> dict[str, Any]:
    """A judge's card. Raises InputError for a file that is none."""
    if not path.is_file():
        said = f"{no_file(path)}; make one: dalign judge calibrate FILE --out {path}"
        raise InputError.in_file(path, said, kind="missing_file")
    try:
        card = json.loads(path.read_text("utf-8"))
        for told in (card["all"], *card["by_k"].values()):
            for name in ("sensitivity", "specificity"):
                hits, n = told[name]["hits"], told[name]["n"]
                if not (type(hits) is type(n) is int and 0 <= hits <= n):
                    raise TypeError
        is_named = isinstance(card["aggregate"], str) and isinstance(card["judge"], str)
        if not is_named or any(
            type(card[name]) not in (int, float) for name in ("low", "high", "threshold")
        ):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = "this is no judge's card; make one: dalign judge calibrate FILE --out CARD"
        raise InputError.in_file(path, what, kind="wrong_form") from error
    found: dict[str, Any] = card
    return found


def corrected_rows(record: Record, path: Path) -> list[Corrected]:
    """Each rate that the judge measured. path: of its card. Raises InputError for a card of another scale or threshold."""
    card, config = read_card(path), record.config
    used = {"low": config.judge.low, "high": config.judge.high, "threshold": config.pass_score}
    for name, value in used.items():
        if card[name] != value:
            what = f"the card's {name} is {card[name]:g}, and the run's judge had {value:g}; make a card of the same judge: --low {used['low']:g} --high {used['high']:g} --threshold {used['threshold']:g}"
            raise InputError.in_file(path, what, kind="not_valid", key=name, value=card[name])
    told = _of_judgements(card, config.evaluate.judge_k, config.judge.aggregate, path)
    sensitivity, specificity = (
        Share.of_counts(told[name]["hits"], told[name]["n"])
        for name in ("sensitivity", "specificity")
    )
    if not sensitivity.n or not specificity.n:
        what = "the card has no answer that passes, or none that fails, with a score, so the judge's errors are not known"
        raise InputError.in_file(path, what, kind="too_small")
    found = []
    for row in results_of(record).rows:
        if row.grader != BY_JUDGE or row.metric not in _METRICS or row.value is None:
            continue
        prompts = _prompts(record, row.arm, row.suite, row.metric)
        passing = Share(round(row.value * prompts), prompts, row.value, None, None)
        found_rate = rogan_gladen(passing, sensitivity, specificity)
        ends = (None, None, None) if found_rate is None else found_rate
        found.append(Corrected(row.arm, row.suite, row.metric, row.value, prompts, *ends))
    return found


def _of_judgements(card: dict[str, Any], k: int, aggregate: str, path: Path) -> dict[str, Any]:
    """What the card says of a judge that is asked so often. Raises InputError where it does not."""
    by_k = card["by_k"]
    if k > 1 and card["aggregate"] != aggregate:
        what = f"the card's judgements are reduced by {card['aggregate']!r}, and the run's by {aggregate!r}; make a card of the same judge"
        raise InputError.in_file(
            path, what, kind="not_valid", key="aggregate", value=card["aggregate"]
        )
    if not by_k and k > 1:
        what = f"the card is of one score an answer, and the run has evaluate.judge_k = {k}; give the file its k scores, or the card --model"
        raise InputError.in_file(path, what, kind="not_valid", key="by_k", value=k)
    if by_k and str(k) not in by_k:
        what = f"the card tells of {', '.join(by_k)} judgements an answer, and the run has evaluate.judge_k = {k}; make a card with as many"
        raise InputError.in_file(path, what, kind="not_valid", key="by_k", value=k)
    found: dict[str, Any] = by_k[str(k)] if by_k else card["all"]
    return found


def _prompts(record: Record, arm: str, suite: str, metric: str) -> int:
    """Of how many prompts the judge graded an answer."""
    wanted: Mapping[str, str] = {"suite": suite, "metric": metric, "grader": BY_JUDGE}
    rows = record.stage(f"evaluate/{arm}").table(GRADES).scan().drop_nulls("grade")
    of = rows.filter(*(pl.col(name) == value for name, value in wanted.items()))
    return int(of.select(pl.col("prompt_id").n_unique()).collect().item())
