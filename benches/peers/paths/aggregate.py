"""Summaries of each completion's judge scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from peers.protocol import OURS, Agreement, Comparison, Peer, Work

SAMPLES = 8
QUANTILE = 0.25
COLUMNS = ("min", "mean", "quantile", "deviation")


def write_inputs(folder: Path, n: int, seed: int) -> None:
    """n scores from 1 to 10, SAMPLES a completion, none missing."""
    rows = max(n // SAMPLES, 1)
    drawn = np.random.default_rng([seed, 4]).integers(1, 11, rows * SAMPLES)
    np.save(folder / "scores.npy", drawn.astype(np.float32))


def save_columns(out: Path, columns: Any) -> None:
    for name, column in zip(COLUMNS, columns, strict=True):
        np.save(out / f"{name}.npy", np.asarray(column, np.float64))


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """All four columns, and how many scores were valid, in one pass."""
    import polars as pl
    from dalign import _core

    scores = np.load(inputs / "scores.npy")
    offsets = np.arange(0, len(scores) + 1, SAMPLES, dtype=np.uint64)
    names = ("min", "mean", f"quantile_{QUANTILE}", "sd")

    def save(table: Any) -> None:
        frame = pl.DataFrame(table)
        save_columns(out, (frame[name].to_numpy() for name in names))

    return Work(lambda: _core.aggregate_summary(scores, offsets, [QUANTILE], SAMPLES), save)


def numpy_rows(inputs: Path, out: Path, _seed: int) -> Work:
    """The quickest numpy: rows of equal length, sorted once."""
    scores = np.load(inputs / "scores.npy").reshape(-1, SAMPLES)
    place = QUANTILE * (SAMPLES - 1)
    below = int(place)

    def run() -> tuple[Any, ...]:
        ordered = np.sort(scores, axis=1)
        low, high = ordered[:, below], ordered[:, below + 1]
        quantile = low + (place - below) * (high - low)
        return ordered[:, 0], ordered.mean(axis=1), quantile, ordered.std(axis=1, ddof=1)

    return Work(run, lambda columns: save_columns(out, columns))


def polars_groups(inputs: Path, out: Path, _seed: int) -> Work:
    """A long frame, grouped by the completion's id: what a table of judgements is given to."""
    import polars as pl

    scores = np.load(inputs / "scores.npy")
    completions = np.repeat(np.arange(len(scores) // SAMPLES, dtype=np.int64), SAMPLES)
    frame = pl.DataFrame({"completion": completions, "score": scores})
    score = pl.col("score")
    summaries = (
        score.min().alias("min"),
        score.mean().alias("mean"),
        score.quantile(QUANTILE, "linear").alias("quantile"),
        score.std().alias("deviation"),
    )

    def save(grouped: pl.DataFrame) -> None:
        ordered = grouped.sort("completion")
        save_columns(out, (ordered[name].to_numpy() for name in COLUMNS))

    return Work(lambda: frame.group_by("completion").agg(*summaries), save)


def agree(_inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """Each column of each completion, to what 32-bit floats can tell."""
    worst = 0.0
    for name in COLUMNS:
        left, right = np.load(ours / f"{name}.npy"), np.load(theirs[0] / f"{name}.npy")
        if left.shape != right.shape:
            return Agreement(False, f"{len(left)} completions, the peer {len(right)}")
        worst = max(worst, float(np.abs(left - right).max()))
    note = f"min, mean, {QUANTILE} quantile and deviation: largest difference {worst:.1e}"
    return Agreement(worst <= 1e-5, note)


COMPARISONS = (
    Comparison(
        path="aggregate",
        n=10_000_000,
        unit="scores",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(
            Peer("numpy sorted rows", "numpy", OURS, 10, numpy_rows),
            Peer("polars group_by", "polars", OURS, 100, polars_groups),
        ),
        agree=agree,
    ),
)
