"""A judge's card, as `dalign judge calibrate` writes it: read, and held against how a run asks its judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from dalign.config import Config
from dalign.errors import InputError, no_file
from dalign.figures import CardBin, JudgeErrors, Share

# As many answers as a float tells apart.
_MOST = 2**53
# Bins of a diagram, and characters of a name: calibration writes ten, and names are paths.
_MOST_BINS, _LONGEST = 1000, 4096


@dataclass(frozen=True)
class Card:
    """What is read of a card. judge: of which it is. threshold: the score from which an answer passes, on the scale from low to high.

    all: of the judge as it was asked; by_k: of its first judgements alone, by how many. raters: how many people labelled.
    diagram: of the scores that all judgements give. how: what of the judge's settings the card names, by their keys.
    """

    judge: str
    low: float
    high: float
    threshold: float
    aggregate: str
    all: JudgeErrors
    by_k: Mapping[str, JudgeErrors]
    raters: int | None
    diagram: tuple[CardBin, ...]
    how: Mapping[str, Any]


class AskedJudge(NamedTuple):
    """How a run asks its judge when it evaluates: what a card has to be of."""

    path: str
    low: float
    high: float
    threshold: float
    aggregate: str
    k: int
    how: Mapping[str, Any]

    @staticmethod
    def of(config: Config) -> AskedJudge:
        """As this config says."""
        judge, k = config.judge, config.evaluate.judge_k
        scale = (judge.low, judge.high, config.pass_score)
        how = {"parameter": judge.parameter, "reduce": judge.reduce, "veto": sorted(judge.veto)}
        return AskedJudge(config.judge_of_record.path, *scale, judge.aggregate, k, how)


def read_card(path: Path) -> Card:
    """A judge's card. Raises InputError for a file that is none."""
    if not path.is_file():
        said = f"{no_file(path)}; make one: dalign judge calibrate FILE --out {path}"
        raise InputError.in_file(path, said, kind="missing_file")
    try:
        return _card(json.loads(path.read_text("utf-8")))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:  # fmt: skip
        what = "this is no judge's card; make one: dalign judge calibrate FILE --out CARD"
        raise InputError.in_file(path, what, kind="wrong_form") from error


def _card(told: dict[str, Any]) -> Card:
    """Raises one of many errors for a value that is no card."""
    raters = told.get("raters")
    names = None if raters is None else raters["names"]
    if not (names is None or isinstance(names, list)):
        raise TypeError
    return Card(
        judge=_text(told["judge"]),
        low=_number(told["low"]),
        high=_number(told["high"]),
        threshold=_number(told["threshold"]),
        aggregate=_text(told["aggregate"]),
        all=_errors(told["all"]),
        by_k={_count(name): _errors(each) for name, each in told["by_k"].items()},
        raters=None if names is None else len(names),
        diagram=tuple(map(_bin, _few(told.get("diagram", [])))),
        how=_how(told),
    )


def _how(told: dict[str, Any]) -> dict[str, Any]:
    """How scores came about; cards of before do not say it, nor do those of scores that were given."""
    found: dict[str, Any] = {}
    if "parameter" in told:
        parameter = told["parameter"]
        found["parameter"] = None if parameter is None else _number(parameter)
    if told.get("reduce") is not None:
        found["reduce"] = _text(told["reduce"])
        found["veto"] = sorted(map(_text, _few(told["veto"])))
    return found


def _few(told: list[Any]) -> list[Any]:
    if len(told) > _MOST_BINS:
        raise TypeError
    return told


def _count(name: str) -> str:
    if not (name.isascii() and name.isdigit() and str(int(name)) == name != "0"):
        raise TypeError
    return name


def _bin(told: list[Any]) -> CardBin:
    low, high, _, mean, passing = told
    found = CardBin(_number(low), _number(high), _number(mean), _share(passing))
    if not found.low <= found.mean <= found.high:
        raise TypeError
    return found


def _errors(told: dict[str, Any]) -> JudgeErrors:
    return JudgeErrors(_share(told["sensitivity"]), _share(told["specificity"]))


def _share(told: dict[str, Any]) -> Share:
    hits, n = told["hits"], told["n"]
    if not (type(hits) is type(n) is int and 0 <= hits <= n <= _MOST):
        raise TypeError
    return Share.of_counts(hits, n)


def _number(told: Any) -> float:
    if type(told) not in (int, float) or not isfinite(told):
        raise TypeError
    return float(told)


def _text(told: Any) -> str:
    if not isinstance(told, str) or len(told) > _LONGEST:
        raise TypeError
    return told


def errors_told(card: Card, asked: AskedJudge, path: Path) -> JudgeErrors:
    """The errors of a judge that is asked so. Raises InputError for a card of another scale, threshold or number of judgements."""
    for name in ("low", "high", "threshold"):
        told, value = getattr(card, name), getattr(asked, name)
        if told != value:
            what = f"the card's {name} is {told:g}, and the run's judge had {value:g}; make a card of the same judge: --low {asked.low:g} --high {asked.high:g} --threshold {asked.threshold:g}"
            raise InputError.in_file(path, what, kind="not_valid", key=name, value=told)
    if any(each.low < card.low or each.high > card.high for each in card.diagram):
        what = "the card's diagram lies beyond its scale, so it is no judge's card; make one: dalign judge calibrate FILE --out CARD"
        raise InputError.in_file(path, what, kind="wrong_form")
    _check_how(card, asked, path)
    errors = _of_judgements(card, asked.k, asked.aggregate, path)
    if not errors.sensitivity.n or not errors.specificity.n:
        what = "the card has no answer that passes, or none that fails, with a score, so the judge's errors are not known; label answers of both kinds, and make it again"
        raise InputError.in_file(path, what, kind="too_small")
    return errors


def _check_how(card: Card, asked: AskedJudge, path: Path) -> None:
    """Raises InputError for a card of judgements that came to their scores in another way."""
    for key, told in card.how.items():
        # What the aggregate takes makes no difference to one judgement, nor does another's.
        is_idle = key == "parameter" and (asked.k == 1 or card.aggregate != asked.aggregate)
        if told != asked.how[key] and not is_idle:
            name = f"{card.aggregate}'s parameter" if key == "parameter" else f"judge.{key}"
            what = f"the card's judge had {told!r} as {name}, and the run's has {asked.how[key]!r}; make a card of the same judge"
            raise InputError.in_file(path, what, kind="not_valid", key=key, value=told)


def _of_judgements(card: Card, k: int, aggregate: str, path: Path) -> JudgeErrors:
    """What the card says of a judge that is asked so often. Raises InputError where it does not."""
    by_k = card.by_k
    if k > 1 and card.aggregate != aggregate:
        what = f"the card's judgements are reduced by {card.aggregate!r}, and the run's by {aggregate!r}; make a card of the same judge"
        raise InputError.in_file(
            path, what, kind="not_valid", key="aggregate", value=card.aggregate
        )
    if not by_k and k > 1:
        what = f"the card is of one score an answer, and the run has evaluate.judge_k = {k}; give the file its k scores, or the card --model"
        raise InputError.in_file(path, what, kind="not_valid", key="by_k", value=k)
    if by_k and str(k) not in by_k:
        what = f"the card tells of {', '.join(by_k)} judgements an answer, and the run has evaluate.judge_k = {k}; make a card with as many"
        raise InputError.in_file(path, what, kind="not_valid", key="by_k", value=k)
    return by_k[str(k)] if by_k else card.all


def of_another(judge: str, asked: AskedJudge) -> list[str]:
    """A sentence where a card is of a judge of another name than the run's: it may say nothing of this one."""
    if judge == asked.path:
        return []
    said = f"The judge's card is of {judge!r}, and this run's judge is {asked.path!r}: a card of another judge says nothing of this one, nor do the rates that it corrects; make a card of this one with dalign judge calibrate FILE --model CONFIG"
    return [said]
