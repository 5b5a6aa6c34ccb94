"""Percentile bootstrap intervals of a run's metrics: prompts are drawn whole, with all of their samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from peers.protocol import OURS, Agreement, Comparison, Peer, Work

PROMPTS = 200
SAMPLES = 2
RESAMPLES = 1000
LEVEL = 0.95


def write_inputs(folder: Path, n: int, seed: int) -> None:
    """n metrics of PROMPTS prompts with SAMPLES grades each."""
    drawn = np.random.default_rng([seed, 5]).normal(5, 2, (n, PROMPTS, SAMPLES))
    np.save(folder / "values.npy", drawn)


def each(inputs: Path, out: Path, ends_of: Callable[[Any], tuple[float, float]]) -> Work:
    """The ends of each metric's interval, one call a metric, as a run makes them."""
    values = np.load(inputs / "values.npy")
    return Work(
        lambda: [ends_of(grades) for grades in values], lambda ends: np.save(out / "ends.npy", ends)
    )


def dalign(inputs: Path, out: Path, seed: int) -> Work:
    from dalign import _core

    prompts = np.repeat(np.arange(PROMPTS, dtype=np.uint32), SAMPLES)
    rest = (prompts, None, "percentile", RESAMPLES, LEVEL, seed)
    return each(inputs, out, lambda grades: _core.bootstrap_mean(grades.reshape(-1), *rest)[1:])


def scipy_rows(inputs: Path, out: Path, seed: int) -> Work:
    """Every prompt has as many samples, so that the mean over grades is that over prompts."""
    from scipy.stats import bootstrap

    rng = np.random.default_rng(seed)

    def ends_of(grades: Any) -> tuple[float, float]:
        found = bootstrap(
            (grades.mean(axis=1),),
            np.mean,
            n_resamples=RESAMPLES,
            confidence_level=LEVEL,
            method="percentile",
            rng=rng,
        ).confidence_interval
        return found.low, found.high

    return each(inputs, out, ends_of)


def agree(inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """The ends differ from the peer's by no more than the peer's own do between two seeds.

    1.2 times as much is allowed for the draw: two independent estimates of one end differ by the same
    amount on average, whoever made them.
    """
    left = np.load(ours / "ends.npy")
    right, again = (np.load(folder / "ends.npy") for folder in theirs[:2])
    width = np.load(inputs / "values.npy").mean(axis=2).std(axis=1).mean() / PROMPTS**0.5
    between = float(np.abs(left - right).mean() / width)
    own = float(np.abs(right - again).mean() / width)
    # Ends that are shifted as a whole would show here, and hardly in the mean of the sizes.
    shift = float((left - right).mean() / width)
    note = (
        f"mean difference of the ends {between:.4f} standard errors (signed {shift:+.4f});"
        f" between two seeds of the peer {own:.4f}"
    )
    return Agreement(left.shape == right.shape and between <= 1.2 * own, note)


COMPARISONS = (
    Comparison(
        path="bootstrap",
        n=1_000,
        unit="metrics",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(Peer("scipy bootstrap", "scipy", OURS, 10, scipy_rows, saved=2),),
        agree=agree,
    ),
)
