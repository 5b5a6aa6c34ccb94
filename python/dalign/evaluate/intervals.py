"""95 % intervals of shares and of paired differences, over prompts: the answers to one prompt are alike.

A percentile bootstrap that resamples prompts whole. Where nothing varies between prompts, or there is one
alone, each resample says the same and the bootstrap would claim certainty at any number of prompts. There the
ends are those of a score interval with as many trials as there are prompts, whatever the number of their samples:
how far a prompt's samples differ cannot be told then, and no more than that is known to be independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dalign import _core
from dalign.figures import LEVEL, Z, wilson

# Ends that are nearer to one another differ by rounding alone.
_NO_WIDTH = 1e-12
_HALVINGS = 60


class Interval(NamedTuple):
    """A mean between its ends."""

    mean: float
    low: float
    high: float


class Draws(NamedTuple):
    """How often the prompts are drawn anew, and from which stream of random numbers."""

    resamples: int
    seed: int


def of_share(
    grades: pl.Series, prompts: pl.Series, draws: Draws, seeds: pl.Series | None = None
) -> Interval:
    """The mean of grades from 0 to 1, at least one, and where it may lie; prompts: which one each is of, as a number.

    seeds: which training each is of, two or more; they are drawn first, and prompts within each. Where the bootstrap has no width: Wilson's score interval (1927) of that share of the prompts.
    """
    mean, low, high = _core.bootstrap_mean(
        grades, prompts, seeds, "percentile", draws.resamples, LEVEL, draws.seed
    )
    if low is None or high is None or high - low < _NO_WIDTH:
        low, high = wilson(mean, prompts.n_unique())
    return Interval(mean, low, high)


def of_difference(
    before: pl.Series,
    after: pl.Series,
    prompts: pl.Series,
    draws: Draws,
    seeds: pl.Series | None = None,
) -> Interval:
    """The mean of after - before, grades from 0 to 1 of the same prompts and samples, and where it may lie.

    seeds: as `of_share`. Where the bootstrap has no width: Tango's score interval of paired shares, for the prompts.
    """
    mean, low, high = _core.bootstrap_difference(
        after, before, prompts, seeds, "percentile", draws.resamples, LEVEL, draws.seed
    )
    if low is None or high is None or high - low < _NO_WIDTH:
        change = pl.DataFrame({"change": after - before})
        part = (
            pl.col("change").clip(lower_bound=0).mean(),
            (-pl.col("change")).clip(lower_bound=0).mean(),
        )
        gained, lost = change.select(gained=part[0], lost=part[1]).row(0)
        low, high = tango(gained, lost, prompts.n_unique())
    return Interval(mean, low, high)


def of_loss(
    before: pl.Series,
    after: pl.Series,
    prompts: pl.Series,
    draws: Draws,
    seeds: pl.Series | None = None,
) -> Interval | None:
    """The share of what was right that is so no more, (before - after) / before of the means, and where it may lie.

    before, after: grades from 0 to 1 of the same prompts and samples; seeds: as `of_share`. Negative where more is right than
    before; None where nothing was. Where the bootstrap has no width: the ends of `of_difference`, of what was right.
    """
    groups = pl.lit(0).alias("seed") if seeds is None else seeds.alias("seed")
    rows = pl.DataFrame({"prompt": prompts, "before": before, "after": after})
    by_prompt = rows.with_columns(groups).group_by("seed", "prompt").sum().sort("seed", "prompt")
    sums = [
        each.select("before", "after").to_numpy()
        for each in by_prompt.partition_by("seed", maintain_order=True)
    ]
    whole = np.concatenate(sums).sum(axis=0)
    if whole[0] == 0:
        return None
    rng = np.random.default_rng(draws.seed)
    drawn = np.array([_drawn_anew(sums, rng) for _ in range(draws.resamples)])
    # A draw in which nothing was right says nothing of its loss.
    drawn = drawn[drawn[:, 0] > 0]
    found = float(1 - whole[1] / whole[0])
    tail = (1 - LEVEL) / 2
    ends = (tail, 1 - tail)
    low, high = np.quantile(1 - drawn[:, 1] / drawn[:, 0], ends) if len(drawn) else (0.0, 0.0)
    if high - low < _NO_WIDTH:
        _, least, most = of_difference(before, after, prompts, draws, seeds)
        right = whole[0] / len(before)
        low, high = -most / right, -least / right
    return Interval(found, float(low), float(high))


def of_ratio(sums: pl.Series, counts: pl.Series, draws: Draws) -> Interval:
    """The sum of one column over that of another, such as nats over tokens, and where it may lie if other rows were drawn; of at least two rows, counts above 0."""
    pairs = np.column_stack([sums.to_numpy(), counts.to_numpy()]).astype(np.float64)
    rng, size = np.random.default_rng(draws.seed), len(pairs)
    whole = pairs.sum(axis=0)
    drawn = np.array([
        np.bincount(rng.integers(size, size=size), minlength=size) @ pairs for _ in range(draws.resamples)
    ])  # fmt: skip
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (tail, 1 - tail))
    return Interval(float(whole[0] / whole[1]), float(low), float(high))


def _drawn_anew(
    sums: Sequence[NDArray[np.float64]], rng: np.random.Generator
) -> NDArray[np.float64]:
    """The sums over as many seeds, and in each over as many prompts, drawn with replacement."""
    seeds = rng.integers(len(sums), size=len(sums)) if len(sums) > 1 else range(len(sums))
    total = np.zeros(2)
    for seed in seeds:
        size = len(sums[seed])
        total += np.bincount(rng.integers(size, size=size), minlength=size) @ sums[seed]
    return total


def tango(gained: float, lost: float, n: int) -> tuple[float, float]:
    """The ends of the 95 % score interval of the difference gained - lost: shares of n pairs, n at least 1.

    Tango 1998, Statistics in Medicine 17, 891-908, equation 5. Without any change the ends are ∓z²/(n + z²).
    """
    found = gained - lost

    def score(true: float) -> float:
        """How many standard errors the difference that was found lies above the true one."""
        linear = (2 - found) * true - gained - lost
        root = sqrt(max(0.0, linear**2 + 8 * lost * true * (1 - true)))
        variance = (root - linear) / 2 + true * (1 - true)
        return (found - true) * sqrt(n / variance) if variance > 0 else 0.0

    low = -1.0 if found <= -1 else _where(lambda true: score(true) < Z, -1.0, found)
    high = 1.0 if found >= 1 else _where(lambda true: score(true) <= -Z, found, 1.0)
    return low, high


def _where(begins: Callable[[float], bool], low: float, high: float) -> float:
    """The place between two from which on something holds."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if begins(middle) else (middle, high)
    return (low + high) / 2
