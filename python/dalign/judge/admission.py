"""How far a judge agrees with golden cases: what it has to show before it may filter or reward."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from dalign.figures import wilson
from dalign.spec.golden import GoldenCase
from dalign.spec.trivial import Balanced, Trivial, by_ruling
from dalign.spec.types import Ruling


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
    """A judge on the golden cases of a policy.

    rulings: its margin over the best trivial judge on the cases that it judged. sensitivity: the share of the failing answers that it fails; specificity: of the passing ones that it
    passes; None where there is none. states: its verdicts, k a case.
    """

    cases: int
    unjudged: int
    agreement: Agreement | None
    sensitivity: float | None
    specificity: float | None
    categories: dict[str, Agreement]
    rulings: dict[Ruling, Margin]
    states: dict[str, int]


def admission(
    cases: Sequence[Judged], states: Counter[str], trivial: Sequence[Trivial]
) -> Admission:
    """The judge's agreement with the cases, in all and by category, and its margin by ruling. Cases count alike.

    trivial: what each trivial judge says of the same cases.
    """
    judged = [each for each in cases if each.score is not None]
    shares = {
        verdict: fmean(each.agrees for each in judged if each.case.verdict == verdict)
        for verdict in {each.case.verdict for each in judged}
    }
    categories = {
        name: _agreement([each for each in judged if each.case.category == name])
        for name in sorted({each.case.category for each in judged})
    }
    return Admission(
        len(cases),
        len(cases) - len(judged),
        _agreement(judged) if judged else None,
        shares.get("fail"),
        shares.get("pass"),
        categories,
        _margins(cases, trivial),
        dict(sorted(states.items())),
    )


def _agreement(cases: Sequence[Judged]) -> Agreement:
    """The share with Wilson's score interval: a bootstrap of equal values would claim certainty."""
    n, share = len(cases), fmean(each.agrees for each in cases)
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
