"""Whether a paired difference may be chance: sign flips of whole prompts, and what so many prompts let one see."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dalign.evaluate.intervals import Draws

# Of so few prompts every flip is looked at, and none is drawn.
_MOST_EXACT = 14
# Differences that are nearer to one another differ by rounding alone.
_ROUNDING = 1e-12
# Normal quantiles of a test at 5 %, two-sided, and of 80 % power.
_SIZE, _POWER = 1.959963984540054, 0.8416212335729143
# Flips that are drawn at once.
_AT_ONCE = 256


def chance_of(differences: pl.Series, prompts: pl.Series, draws: Draws) -> float:
    """The two-sided p of a mean difference, where each prompt's might as well have had the other sign (Fisher 1935; Pitman 1937).

    differences: of each sample of the same prompts; prompts: which one each is of. Exact up to 14 prompts that differ, else of
    `draws.resamples` flips, the one that was found among them, so that it is never 0.
    """
    sums = _sums(differences, prompts)
    # Those that do not differ change nothing, however they are flipped.
    sums = sums[np.abs(sums) > _ROUNDING]
    found = abs(float(sums.sum())) - _ROUNDING
    if len(sums) <= _MOST_EXACT:
        signs = 1 - 2 * ((np.arange(1 << len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float(np.mean(np.abs(signs @ sums) >= found))
    rng, as_far = np.random.default_rng(draws.seed), 1
    for start in range(0, draws.resamples, _AT_ONCE):
        count = min(_AT_ONCE, draws.resamples - start)
        signs = 1 - 2 * rng.integers(0, 2, size=(count, len(sums)))
        as_far += int(np.sum(np.abs(signs @ sums) >= found))
    return as_far / (draws.resamples + 1)


def visible(differences: pl.Series, prompts: pl.Series) -> float | None:
    """The true difference that as many prompts, as different as these, show in four tests out of five; None where no two prompts differ.

    Two-sided at 5 %, power 80 %: 2.80 standard errors of the mean over prompts.
    """
    rows = pl.DataFrame({"prompt": prompts, "difference": differences})
    means = rows.group_by("prompt").mean()["difference"]
    spread = means.std()
    if not isinstance(spread, float) or spread < _ROUNDING:
        return None
    return (_SIZE + _POWER) * spread / sqrt(len(means))


def holm(chances: Sequence[float]) -> list[float]:
    """The p of each of several tests that are looked at together (Holm 1979)."""
    order = sorted(range(len(chances)), key=lambda n: chances[n])
    found, least = [0.0] * len(chances), 0.0
    for place, test in enumerate(order):
        least = max(least, min(1.0, (len(chances) - place) * chances[test]))
        found[test] = least
    return found


def _sums(differences: pl.Series, prompts: pl.Series) -> NDArray[np.float64]:
    rows = pl.DataFrame({"prompt": prompts, "difference": differences})
    sums: NDArray[np.float64] = rows.group_by("prompt").sum().sort("prompt")["difference"].to_numpy()  # fmt: skip
    return sums
