"""How far a judge agrees with golden cases: what it has to show before it may filter or reward."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from dalign.figures import wilson
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
class Agreement:
    """The share of judged cases on which the judge agrees, with the ends of its 95 % interval."""

    judged: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] on {self.judged}"


@dataclass(frozen=True)
class Told:
    """A judge on some golden cases, those that it gave no score left out of all but `rightly`.

    sensitivity: on failing answers, the share that it fails; specificity: on passing ones, the share that it passes.
    rightly: balanced over passing and failing cases, one without a score told wrongly. None where there is no such case.
    """

    cases: int
    agreement: Agreement | None
    sensitivity: Agreement | None
    specificity: Agreement | None
    rightly: Balanced | None

    def __str__(self) -> str:
        parts = {"sensitivity": self.sensitivity, "specificity": self.specificity}
        words = [f"{name} {each}" for name, each in parts.items() if each is not None]
        return "; ".join([str(self.agreement or "no case judged"), *words])


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
        reached: Balanced | Agreement = told.rightly or _agreement(there, of_all=True)
        if reached.value < least - _ROUNDING:
            words = f"it tells {reached.value:.3f} [{reached.low:.3f}, {reached.high:.3f}] of the {len(there)} golden cases of category {name!r} rightly, {least - reached.value:.3f} less than judge.admission = {least:g}"
            yield Shortfall(least - reached.value, words, _wrong(there))
    for ruling, margin in shown.margins.items():
        # One that is always right may be no better than these: then the cases are at fault, as `spec check` says.
        if margin.value < -_ROUNDING:
            words = f"of the golden cases of ruling {ruling!r} it tells {margin.judge.value:.3f} rightly, and {margin.best}, without a policy, {margin.trivial.value:.3f}"
            yield Shortfall(-margin.value, words, _wrong(_where(cases, "ruling", ruling)))


def _where(cases: Sequence[Judged], field: str, value: str) -> list[Judged]:
    """The cases whose category, ruling or verdict is that."""
    return [each for each in cases if getattr(each.case, field) == value]


def _wrong(cases: Sequence[Judged]) -> tuple[Judged, ...]:
    return tuple(each for each in cases if each.score is None or not each.agrees)[:FIRST]


def _told(cases: Sequence[Judged]) -> Told:
    judged = [each for each in cases if each.score is not None]
    of = {verdict: _where(judged, "verdict", verdict) for verdict in ("fail", "pass")}
    shares = {verdict: _agreement(some) if some else None for verdict, some in of.items()}
    rightly = {
        verdict: [
            each.score is not None and each.agrees for each in cases if each.case.verdict == verdict
        ]
        for verdict in of
    }
    return Told(
        len(cases),
        _agreement(judged) if judged else None,
        shares["fail"],
        shares["pass"],
        balanced(rightly["pass"], rightly["fail"]) if all(rightly.values()) else None,
    )


def _agreement(cases: Sequence[Judged], *, of_all: bool = False) -> Agreement:
    """The share with Wilson's score interval: a bootstrap of equal values would claim certainty.

    of_all: a case without a score is told wrongly.
    """
    told = [each.agrees and not (of_all and each.score is None) for each in cases]
    n, share = len(told), sum(told) / len(told)
    return Agreement(n, share, *wilson(share, n))


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
