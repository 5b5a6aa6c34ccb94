"""How far a judge's samples agree among themselves."""

from __future__ import annotations

import polars as pl

from dalign import _core

SPLITS = 20


def reliability(scores: pl.Series, k: int, seed: int) -> dict[str, float | None]:
    """Krippendorff's alpha of single judgements, and the split-half reliability of their means.

    scores: k judgements a completion, one after the other; null where one failed. None where nothing can be compared.
    """
    offsets = pl.int_range(0, len(scores) + 1, k, dtype=pl.UInt32, eager=True)
    return {
        "alpha": _core.krippendorff_alpha(scores, offsets, "interval"),
        "split_half": _core.split_half(scores, offsets, SPLITS, seed),
    }
