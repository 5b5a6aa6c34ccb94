"""How far a judge agrees with golden cases: what it has to show before it may filter or reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from dalign.figures import wilson
from dalign.spec.golden import GoldenCase


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
class Admission:
    """A judge on the golden cases of a policy.

    sensitivity: the share of the failing answers that it fails; specificity: of the passing ones that it
    passes; None where there is none. states: its verdicts, k a case.
    """

    cases: int
    unjudged: int
    agreement: Agreement | None
    sensitivity: float | None
    specificity: float | None
    categories: dict[str, Agreement]
    states: dict[str, int]


def admission(cases: Sequence[Judged], states: Counter[str]) -> Admission:
    """The judge's agreement with the cases, in all and by category. Cases count alike."""
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
        dict(sorted(states.items())),
    )


def _agreement(cases: Sequence[Judged]) -> Agreement:
    """The share with Wilson's score interval: a bootstrap of equal values would claim certainty."""
    n, share = len(cases), fmean(each.agrees for each in cases)
    return Agreement(n, share, *wilson(share, n))
