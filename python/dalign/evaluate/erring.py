"""What a rate is that an erring judge measured: two ways to put it right by the errors that people found."""

from __future__ import annotations

import math
from typing import NamedTuple

from dalign.figures import Share, Z


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
    # Of several answers a prompt, the rate is of a number of prompts that is no whole one.
    positive = (passing.n * (1 - float(passing.value or 0)) + Z * Z / 2) / n
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
    # The value is of the shares as they are, the interval of shrunken ones.
    value, least, most = (_share(1 - each) for each in (failing, high, low))
    return Estimate(value, min(least, value), max(most, value))


def prediction_powered(passing: Share, sensitivity: Share, specificity: Share) -> Estimate | None:
    """The rate of passing answers among those that only the judge has seen (Angelopoulos et al. 2023, PPI).

    passing: of those, what the judge passes; sensitivity, specificity: on labelled ones, as in `rogan_gladen`. The judge's mean
    there, put right by its mean error on the labelled ones, which are taken for a draw of the same answers. The interval is put
    together of Wilson's (MOVER, Zou and Donner 2008): where no error was found, it still has a width. An answer is erred on
    in one way at most, so that the two kinds of errors go against each other. None where either has fewer than 2.
    """
    labelled = sensitivity.n + specificity.n
    if labelled < 2 or passing.n < 2 or passing.value is None:
        return None
    # What is passed wrongly is 1 too much, what is failed wrongly 1 too little.
    more = Share.of_counts(sensitivity.n - sensitivity.hits, labelled)
    less = Share.of_counts(specificity.n - specificity.hits, labelled)
    value = passing.value - _value(more) + _value(less)
    apart = 2 * _apart(more, less)
    down = math.hypot(_below(passing), _above(more), _below(less))
    up = math.hypot(_above(passing), _below(more), _above(less))
    down = math.sqrt(down**2 + apart * _above(more) * _below(less))
    up = math.sqrt(up**2 + apart * _below(more) * _above(less))
    return Estimate(_share(value), _share(value - down), _share(value + up))


def _apart(one: Share, other: Share) -> float:
    """How strongly two shares of the same rows, of which a row counts in one at most, go against each other: their correlation, negated."""
    p, q = _value(one), _value(other)
    return math.sqrt(p * q / ((1 - p) * (1 - q))) if p < 1 and q < 1 else 0.0


def _value(share: Share) -> float:
    return share.value or 0.0


def _below(share: Share) -> float:
    return _value(share) - (share.low or 0.0)


def _above(share: Share) -> float:
    return (1.0 if share.high is None else share.high) - _value(share)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
