"""Scores out of judge replies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from peers.generate.replies import write_replies
from peers.protocol import OURS, Agreement, Comparison, Peer, Work, read_json_lines

NUMBER = r"(\d+(?:\.\d+)?)"
# Forms that people match, in the order of trust: a tag, a JSON key, a line in prose.
PATTERNS = (
    rf"<score>\s*{NUMBER}\s*</score>",
    rf'"score"\s*:\s*{NUMBER}',
    rf"(?i)\**(?:score|rating)\s*:\s*\**\s*{NUMBER}",
)


def write_inputs(folder: Path, n: int, seed: int) -> None:
    write_replies(folder / "replies.jsonl", n, seed)


def texts(inputs: Path) -> list[str]:
    return read_json_lines(inputs / "replies.jsonl", "text")


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """State, score and stance of each reply; the score is null where there is none."""
    import polars as pl
    from dalign import _core

    replies = pl.Series(texts(inputs))

    def save(read: Any) -> None:
        np.save(
            out / "scores.npy",
            pl.DataFrame(read)["score"].cast(pl.Float64).fill_null(-1).to_numpy(),
        )

    return Work(lambda: _core.parse_verdicts(replies, 0.0, 10.0), save)


def polars_extract(inputs: Path, out: Path, _seed: int) -> Work:
    """The first pattern that matches, by expressions."""
    import polars as pl

    frame = pl.DataFrame({"reply": texts(inputs)})
    found = pl.coalesce(pl.col("reply").str.extract(pattern, 1) for pattern in PATTERNS)

    def save(read: pl.DataFrame) -> None:
        np.save(out / "scores.npy", read["reply"].fill_null(-1).to_numpy())

    return Work(lambda: frame.select(found.cast(pl.Float64)), save)


def python_patterns(inputs: Path, out: Path, _seed: int) -> Work:
    """The last match of the first pattern that matches, reply by reply."""
    replies = texts(inputs)
    patterns = [re.compile(pattern) for pattern in PATTERNS]

    def score(reply: str) -> float:
        for pattern in patterns:
            matches = pattern.findall(reply)
            if matches:
                return float(matches[-1])
        return -1.0

    return Work(
        lambda: [score(reply) for reply in replies], lambda read: np.save(out / "scores.npy", read)
    )


def agree(_inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """The same score, or none, in every reply."""
    left, right = np.load(ours / "scores.npy"), np.load(theirs[0] / "scores.npy")
    if left.shape != right.shape:
        return Agreement(False, f"{len(left)} replies, the peer {len(right)}")
    same = int((left == right).sum())
    none = int((right < 0).sum())
    return Agreement(
        same == len(right), f"{same} of {len(right)} scores equal; {none} replies without one"
    )


COMPARISONS = (
    Comparison(
        path="verdicts",
        n=200_000,
        unit="replies",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(
            Peer("polars extract", "polars", OURS, 5, polars_extract),
            Peer("python re", "", OURS, 50, python_patterns),
        ),
        agree=agree,
    ),
)
