"""What a rate is that an erring judge measured: two ways to put it right by the errors that people found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from dalign.figures import Share, Z

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]


class Estimate(NamedTuple):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def rogan_gladen(passing: Share, sensitivity: Share, specificity: Share) -> Estimate | None:
    """The rate of failing answers that a judge's own rate stands for (Rogan and Gladen 1978), from its errors on labelled rows.

    passing: the answers that it passes. sensitivity, specificity: of failing answers those that it fails, of passing ones
    those that it passes. The interval is Lang and Reiczigel's (2014), which takes the errors' own uncertainty in.
    Here the rate of *passing* answers is given back. None where the judge tells nothing: the two sum to 1 or less.
    """
    if None in (passing.value, sensitivity.value, specificity.value):
        return None
    n = passing.n + Z * Z
    positive = (passing.n - passing.hits + Z * Z / 2) / n
    (sens, n_sens), (spec, n_spec) = (
        ((s.hits + 1) / (s.n + 2), s.n + 2) for s in (sensitivity, specificity)
    )
    told = sens + spec - 1
    raw = float(sensitivity.value or 0) + float(specificity.value or 0) - 1
    if told <= 0 or raw <= 0:
        return None
    rate = (positive + spec - 1) / told
    of_sens, of_spec = sens * (1 - sens) / n_sens, spec * (1 - spec) / n_spec
    shift = 2 * Z * Z * (rate * of_sens - (1 - rate) * of_spec)
    spread = math.sqrt(
        positive * (1 - positive) / n + rate**2 * of_sens + (1 - rate) ** 2 * of_spec
    )
    low, high = (rate + shift + sign * Z * spread / told for sign in (-1, 1))
    failing = (1 - float(passing.value or 0) + float(specificity.value or 0) - 1) / raw
    return Estimate(_share(1 - failing), _share(1 - high), _share(1 - low))


def prediction_powered(passes: Flags, says: Flags, others: Flags) -> Estimate | None:
    """The rate of passing answers among others that only the judge has seen (Angelopoulos et al. 2023, PPI).

    passes, says: of labelled answers, what people and the judge say; others: what the judge says of the rest. The judge's
    mean on the rest, put right by its mean error on the labelled ones; None where either has fewer than 2.
    """
    if len(passes) < 2 or len(others) < 2:
        return None
    error = says.astype(float) - passes.astype(float)
    value = float(others.mean() - error.mean())
    spread = math.sqrt(others.var(ddof=1) / len(others) + error.var(ddof=1) / len(error))
    return Estimate(_share(value), _share(value - Z * spread), _share(value + Z * spread))


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
