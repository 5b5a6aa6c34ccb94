"""How far a judge agrees with golden cases: what it has to show before it may filter or reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl

from dalign import _core
from dalign.spec.golden import GoldenCase

LEVEL = 0.95


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
    """The share of judged cases on which the judge agrees, with the ends of its 95 % interval (None for a single one)."""

    judged: int
    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        ends = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{ends} on {self.judged}"


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
    states: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """The same as a JSON value."""
        return {
            "cases": self.cases,
            "unjudged": self.unjudged,
            "agreement": _as_json(self.agreement),
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "categories": {name: _as_json(each) for name, each in self.categories.items()},
            "states": dict(sorted(self.states.items())),
        }


def admission(cases: Sequence[Judged], states: Counter[str]) -> Admission:
    """The judge's agreement with the cases, in all and by category. Intervals are exact bootstrap ones over cases."""
    judged = [each for each in cases if each.score is not None]
    names = sorted({each.case.category for each in judged})
    groups = [[each for each in judged if each.case.category == name] for name in names]
    agreements = _agreements([judged, *groups]) if judged else [None]
    return Admission(
        len(cases),
        len(cases) - len(judged),
        agreements[0],
        _share([each for each in judged if each.case.verdict == "fail"]),
        _share([each for each in judged if each.case.verdict == "pass"]),
        {name: found for name, found in zip(names, agreements[1:], strict=True) if found},
        states,
    )


def _agreements(groups: Sequence[Sequence[Judged]]) -> list[Agreement | None]:
    values = pl.Series([float(each.agrees) for group in groups for each in group], dtype=pl.Float64)
    offsets = pl.Series([0, *accumulate(map(len, groups))], dtype=pl.UInt32)
    # The exact distribution of the mean: without resamples, so that neither their number nor a seed counts.
    rows = pl.DataFrame(_core.bootstrap_groups(values, offsets, "exact", 1, LEVEL, 0)).iter_rows()
    return [
        Agreement(len(group), mean, low, high)
        for group, (mean, low, high) in zip(groups, rows, strict=True)
    ]


def _share(cases: Sequence[Judged]) -> float | None:
    return sum(each.agrees for each in cases) / len(cases) if cases else None


def _as_json(agreement: Agreement | None) -> dict[str, object] | None:
    return None if agreement is None else dict(vars(agreement))
