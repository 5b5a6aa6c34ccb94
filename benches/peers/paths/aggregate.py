"""Each completion's judge scores reduced to the strictest, as a run does unless told otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from peers.protocol import OURS, Agreement, Comparison, Peer, Work

SAMPLES = 8


def write_inputs(folder: Path, n: int, seed: int) -> None:
    """n scores from 1 to 10, SAMPLES a completion, none missing."""
    rows = max(n // SAMPLES, 1)
    drawn = np.random.default_rng([seed, 4]).integers(1, 11, rows * SAMPLES)
    np.save(folder / "scores.npy", drawn.astype(np.float32))


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """The score, and how many judgements were valid."""
    import polars as pl
    from dalign import _core

    scores = np.load(inputs / "scores.npy")
    offsets = np.arange(0, len(scores) + 1, SAMPLES, dtype=np.uint64)

    def save(table: Any) -> None:
        np.save(out / "score.npy", pl.DataFrame(table)["score"].to_numpy())

    return Work(lambda: _core.aggregate(scores, offsets, "min", None, SAMPLES), save)


def numpy_rows(inputs: Path, out: Path, _seed: int) -> Work:
    """Rows of equal length, each valid score counted."""
    scores = np.load(inputs / "scores.npy").reshape(-1, SAMPLES)

    def run() -> tuple[Any, Any]:
        return scores.min(axis=1), np.isfinite(scores).sum(axis=1)

    return Work(run, lambda columns: np.save(out / "score.npy", columns[0]))


def polars_groups(inputs: Path, out: Path, _seed: int) -> Work:
    """A long frame, grouped by the completion's id: what a table of judgements is given to."""
    import polars as pl

    scores = np.load(inputs / "scores.npy")
    completions = np.repeat(np.arange(len(scores) // SAMPLES, dtype=np.int64), SAMPLES)
    frame = pl.DataFrame({"completion": completions, "score": scores})
    score = pl.col("score")
    reduced = (score.min(), score.is_finite().sum().alias("n_valid"))

    def save(grouped: pl.DataFrame) -> None:
        np.save(out / "score.npy", grouped.sort("completion")["score"].to_numpy())

    return Work(lambda: frame.group_by("completion").agg(*reduced), save)


def agree(_inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """The same score of each completion."""
    left, right = np.load(ours / "score.npy"), np.load(theirs[0] / "score.npy")
    if left.shape != right.shape:
        return Agreement(False, f"{len(left)} completions, the peer {len(right)}")
    same = int((left == right).sum())
    return Agreement(same == len(right), f"{same} of {len(right)} scores equal")


COMPARISONS = (
    Comparison(
        path="aggregate",
        n=10_000_000,
        unit="scores",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(
            Peer("numpy rows", "numpy", OURS, 10, numpy_rows),
            Peer("polars group_by", "polars", OURS, 100, polars_groups),
        ),
        agree=agree,
    ),
)
