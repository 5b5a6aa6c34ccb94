"""How far people and a judge agree: statistics of labels and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from dalign import _core
from dalign.figures import Share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.float64]


def share_of(flags: Flags) -> Share:
    """The share of those that hold."""
    return Share.of_counts(int(flags.sum()), len(flags))


@dataclass(frozen=True)
class Confusion:
    """What a judge says of answers by what people say of them. A failing answer is what is to be found."""

    failed_rightly: int
    failed_wrongly: int
    passed_rightly: int
    passed_wrongly: int


def confusion(passes: Flags, says: Flags) -> Confusion:
    """passes: what people say of each answer; says: what the judge does."""
    return Confusion(
        int((~passes & ~says).sum()),
        int((passes & ~says).sum()),
        int((passes & says).sum()),
        int((~passes & says).sum()),
    )


def cohen_kappa(one: Sequence[object], other: Sequence[object]) -> float | None:
    """Cohen's kappa (1960) of two raters of the same items; None where both give one and the same label throughout."""
    names = {label: at for at, label in enumerate(dict.fromkeys([*one, *other]))}
    table = np.zeros((len(names), len(names)))
    np.add.at(table, ([names[each] for each in one], [names[each] for each in other]), 1)
    table /= table.sum()
    by_chance = float(table.sum(0) @ table.sum(1))
    return None if by_chance >= 1 else (float(table.trace()) - by_chance) / (1 - by_chance)


def fleiss_kappa(counts: NDArray[np.int64]) -> float | None:
    """Fleiss' kappa (1971). counts: shape (items, labels), how many raters gave an item that label, as many for each item, at least 2.

    None where one label is given throughout.
    """
    raters = counts[0].sum()
    agreed = ((counts * (counts - 1)).sum(1) / (raters * (raters - 1))).mean()
    shares = counts.sum(0) / counts.sum()
    by_chance = float((shares**2).sum())
    return None if by_chance >= 1 else (float(agreed) - by_chance) / (1 - by_chance)


def krippendorff_alpha(labels: Sequence[Sequence[float]], scale: str) -> float | None:
    """Krippendorff's alpha of items with any number of labels each; scale: nominal, ordinal or interval. None: nothing can be compared."""
    offsets = np.cumsum([0, *map(len, labels)])
    flat = pl.Series([float(label) for each in labels for label in each], dtype=pl.Float64)
    return _core.krippendorff_alpha(flat, pl.Series(offsets, dtype=pl.UInt32), scale)


def auroc(passes: Flags, scores: Numbers) -> float | None:
    """The chance that a passing answer has a higher score than a failing one, ties counting half (Mann and Whitney 1947); None for one class."""
    ranks = pl.Series(scores).rank("average").to_numpy()
    positive, negative = int(passes.sum()), int((~passes).sum())
    if not positive or not negative:
        return None
    return float((ranks[passes].sum() - positive * (positive + 1) / 2) / (positive * negative))


class Threshold(NamedTuple):
    """A score from which answers pass, and the balanced accuracy there: the mean of sensitivity and specificity."""

    score: float
    balanced: float


def best_threshold(passes: Flags, scores: Numbers) -> Threshold | None:
    """The score from which passing best agrees with people (Youden 1950); the lowest of equal ones. None for one class."""
    if passes.all() or not passes.any():
        return None
    at = np.unique(scores)
    order = np.sort(scores[passes]), np.sort(scores[~passes])
    kept = 1 - np.searchsorted(order[0], at, "left") / len(order[0])
    caught = np.searchsorted(order[1], at, "left") / len(order[1])
    balanced = (kept + caught) / 2
    best = int(np.argmax(balanced))
    return Threshold(float(at[best]), float(balanced[best]))


class Bin(NamedTuple):
    """Answers with scores from low to high (the last bin's included): how many, their mean score, and the share that people pass."""

    low: float
    high: float
    n: int
    mean: float
    passing: Share


def reliability_diagram(
    passes: Flags, scores: Numbers, low: float, high: float, bins: int = 10
) -> list[Bin]:
    """The bins that hold an answer, equally wide on the judge's scale."""
    edges = np.linspace(low, high, bins + 1)
    place = np.clip(np.searchsorted(edges, scores, "right") - 1, 0, bins - 1)
    return [
        Bin(
            float(edges[each]),
            float(edges[each + 1]),
            int((place == each).sum()),
            float(scores[place == each].mean()),
            share_of(passes[place == each]),
        )
        for each in np.unique(place).tolist()
    ]
