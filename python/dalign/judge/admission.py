"""How far a judge agrees with golden cases: what it has to show before it may filter or reward."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from dalign.figures import Share
from dalign.judge.forms.score import Judging, Question
from dalign.models.protocol import Asked
from dalign.spec.golden import GoldenCase
from dalign.spec.trivial import Balanced, Trivial, balanced, by_ruling
from dalign.spec.types import RULINGS, Ruling

# How many of the cases that a judge tells wrongly are named.
FIRST = 3
# Sums in another order may differ by less.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Judged:
    """A golden case with the judge's score; None: too few valid verdicts, which is no disagreement."""

    case: GoldenCase
    score: float | None
    passes: bool

    @property
    def agrees(self) -> bool:
        """Whether the judge says of the answer what the case says."""
        return self.passes == (self.case.verdict == "pass")


@dataclass(frozen=True)
class Told:
    """A judge on some golden cases, those that it gave no score left out of all but `rightly`.

    sensitivity: of failing answers, the share that it fails; specificity: of passing ones, the share that it passes.
    rightly: balanced over passing and failing cases, one without a score told wrongly; None where one kind is not there.
    """

    cases: int
    agreement: Share
    sensitivity: Share
    specificity: Share
    rightly: Balanced | None

    def __str__(self) -> str:
        return f"{self.agreement}; sensitivity {self.sensitivity}; specificity {self.specificity}"


@dataclass(frozen=True)
class Margin:
    """By how much the judge's balanced accuracy in a ruling exceeds that of the best judge that reads no policy.

    low, high: the ends of the difference's 95 % interval (Newcombe 1998, the two taken as independent).
    """

    judge: Balanced
    trivial: Balanced
    best: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}] ({self.judge.value:.3f}; {self.best}: {self.trivial.value:.3f})"


@dataclass(frozen=True)
class Admission:
    """A judge on the golden cases of a policy: in all, by category and by ruling.

    margins: of each ruling, over the best trivial judge on the cases that it judged. states: its verdicts, k a case.
    """

    cases: int
    unjudged: int
    all: Told
    categories: dict[str, Told]
    rulings: dict[Ruling, Told]
    margins: dict[Ruling, Margin]
    states: dict[str, int]


@dataclass(frozen=True)
class Shortfall:
    """Why a judge is not admitted: `by` so much it misses what it needs, there. first: cases that it tells wrongly."""

    by: float
    words: str
    first: tuple[Judged, ...]


def judge_golden(
    cases: Sequence[GoldenCase], judging: Judging, pass_score: float, ask: Asked
) -> tuple[pl.DataFrame, pl.DataFrame, list[Judged]]:
    """(verdicts, scores, cases): what a judge says of each case, shown the answer alone; see `Judging`."""
    questions = {
        case.id: Question(case.category, case.messages, case.answer, reasoning=None)
        for case in cases
    }
    verdicts, scores = judging(questions, ask)
    judged = [
        Judged(case, score, score is not None and score >= pass_score)
        for case, score in zip(cases, scores["score"], strict=True)
    ]
    return verdicts, scores, judged


def admission(
    cases: Sequence[Judged], states: Counter[str], trivial: Sequence[Trivial]
) -> Admission:
    """The judge's agreement with the cases. Cases count alike.

    trivial: what each trivial judge says of the same cases.
    """
    categories = sorted({each.case.category for each in cases})
    rulings = [name for name in RULINGS if any(each.case.ruling == name for each in cases)]
    return Admission(
        len(cases),
        sum(each.score is None for each in cases),
        _told(cases),
        {name: _told(_where(cases, "category", name)) for name in categories},
        {name: _told(_where(cases, "ruling", name)) for name in rulings},
        _margins(cases, trivial),
        dict(sorted(states.items())),
    )


def shortfalls(shown: Admission, cases: Sequence[Judged], least: float) -> list[Shortfall]:
    """Why the judge is not to be admitted, the widest miss first; nothing where it is.

    least: what it must reach in each category, as balanced accuracy; in each ruling it must do no worse than the best
    trivial judge. A category with passing cases alone, or failing ones, is held to the share of these.
    """
    return sorted(_missed(shown, cases, least), key=lambda each: -each.by)


def _missed(shown: Admission, cases: Sequence[Judged], least: float) -> Iterator[Shortfall]:
    for name, told in shown.categories.items():
        there = _where(cases, "category", name)
        reached = told.rightly or _share([_is_right(each) for each in there])
        by = least - (reached.value or 0.0)
        if by > _ROUNDING:
            words = f"it tells {reached.value:.3f} [{reached.low:.3f}, {reached.high:.3f}] of the {len(there)} golden cases of category {name!r} rightly, {by:.3f} less than judge.admission = {least:g}"
            yield Shortfall(by, words, _wrong(there))
    for ruling, margin in shown.margins.items():
        # One that is always right may be no better than these: then the cases are at fault, as `spec check` says.
        if margin.value < -_ROUNDING:
            words = f"of the golden cases of ruling {ruling!r} it tells {margin.judge.value:.3f} rightly, and {margin.best}, without a policy, {margin.trivial.value:.3f}"
            yield Shortfall(-margin.value, words, _wrong(_where(cases, "ruling", ruling)))


def _where(cases: Sequence[Judged], field: str, value: str) -> list[Judged]:
    """The cases whose category, ruling or verdict is that."""
    return [each for each in cases if getattr(each.case, field) == value]


def _is_right(judged: Judged) -> bool:
    """Whether the judge tells a case rightly; without a score it does not."""
    return judged.score is not None and judged.agrees


def _wrong(cases: Sequence[Judged]) -> tuple[Judged, ...]:
    return tuple(each for each in cases if not _is_right(each))[:FIRST]


def _told(cases: Sequence[Judged]) -> Told:
    judged = [each for each in cases if each.score is not None]
    rightly = {
        verdict: [_is_right(each) for each in _where(cases, "verdict", verdict)]
        for verdict in ("pass", "fail")
    }
    return Told(
        len(cases),
        _share([each.agrees for each in judged]),
        _share([each.agrees for each in _where(judged, "verdict", "fail")]),
        _share([each.agrees for each in _where(judged, "verdict", "pass")]),
        balanced(rightly["pass"], rightly["fail"]) if all(rightly.values()) else None,
    )


def _share(told: Sequence[bool]) -> Share:
    return Share.of_counts(sum(told), len(told))


def _margins(cases: Sequence[Judged], trivial: Sequence[Trivial]) -> dict[Ruling, Margin]:
    at = [place for place, each in enumerate(cases) if each.score is not None]
    judged = [cases[place].case for place in at]
    own = by_ruling(judged, [cases[place].passes for place in at])
    others = [(t.name, by_ruling(judged, [t.passes[place] for place in at])) for t in trivial]
    margins = {}
    for ruling, reached in own.items() if others else ():
        name, best = max(
            ((name, told[ruling]) for name, told in others), key=lambda each: each[1].value
        )
        value = reached.value - best.value
        below = math.hypot(reached.value - reached.low, best.high - best.value)
        above = math.hypot(reached.high - reached.value, best.value - best.low)
        margins[ruling] = Margin(reached, best, name, value, value - below, value + above)
    return margins
