"""Percentile bootstrap intervals of many groups' means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from peers.protocol import OURS, Agreement, Comparison, Peer, Work

VALUES = 100
RESAMPLES = 1000
LEVEL = 0.95


def write_inputs(folder: Path, n: int, seed: int) -> None:
    """n groups of VALUES normal values."""
    drawn = np.random.default_rng([seed, 5]).normal(5, 2, (n, VALUES))
    np.save(folder / "values.npy", drawn)


def dalign(inputs: Path, out: Path, seed: int) -> Work:
    """Mean and ends of each group; each group draws its own places."""
    import polars as pl
    from dalign import _core

    values = np.load(inputs / "values.npy").reshape(-1)
    offsets = np.arange(0, len(values) + 1, VALUES, dtype=np.uint64)

    def save(table: Any) -> None:
        np.save(out / "ends.npy", pl.DataFrame(table).select("low", "high").to_numpy())

    return Work(
        lambda: _core.bootstrap_groups(values, offsets, "percentile", RESAMPLES, LEVEL, seed), save
    )


def scipy_rows(inputs: Path, out: Path, seed: int) -> Work:
    """One call for all groups. Each resample draws the same places of every group."""
    from scipy.stats import bootstrap

    values = np.load(inputs / "values.npy")

    def run() -> Any:
        return bootstrap(
            (values,),
            np.mean,
            axis=1,
            n_resamples=RESAMPLES,
            batch=20,
            confidence_level=LEVEL,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval

    return Work(
        run, lambda ends: np.save(out / "ends.npy", np.stack([ends.low, ends.high], axis=1))
    )


def agree(inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """The ends differ from the peer's by no more than the peer's own do between two seeds.

    1.2 times as much is allowed for the draw: two independent estimates of one end differ by the same
    amount on average, whoever made them.
    """
    left = np.load(ours / "ends.npy")
    right, again = (np.load(folder / "ends.npy") for folder in theirs[:2])
    width = np.load(inputs / "values.npy").std(axis=1).mean() / VALUES**0.5
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
        n=10_000,
        unit="groups",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(Peer("scipy bootstrap, axis=1", "scipy", OURS, 10, scipy_rows, saved=2),),
        agree=agree,
    ),
)
