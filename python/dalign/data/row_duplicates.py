"""Of rows with the same text, or nearly the same, the highest judged one, or else the first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign.data.row_batch import Batch, Decision
from dalign.data.row_checks import text_hashes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Places:
    """Where the rows of batches that have passed stand."""

    def __init__(self) -> None:
        self._first_rows: list[int] = []
        self._where: list[Any] = []

    def note(self, batch: Batch) -> None:
        """Remembers a batch's places: a few bytes, more where blank lines stand between its rows."""
        self._first_rows.append(batch.first_row)
        self._where.append(batch.places())

    def of(self, row: int) -> str:
        """The place of a row, by its number from the first batch on."""
        at = bisect_right(self._first_rows, row) - 1
        return str(self._where[at](row - self._first_rows[at]))


class KeepRepresentatives:
    """Keeps the rows that stand for themselves; the others are duplicates of another."""

    def __init__(
        self, representatives: NDArray[np.integer[Any]], places: Places, reason: str
    ) -> None:
        self._representatives = representatives
        self._places = places
        self._reason = reason

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch."""
        rows = self._representatives[batch.first_row : batch.first_row + batch.rows].tolist()
        own = range(batch.first_row, batch.first_row + batch.rows)
        reasons = [None if a == b else self._reason for a, b in zip(rows, own, strict=True)]
        details = [
            None if a == b else f"of {self._places.of(a)}" for a, b in zip(rows, own, strict=True)
        ]
        return Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))


def best_copies(batches: Iterable[Batch], text_field: str, score_field: str) -> KeepRepresentatives:
    """Of rows with the same text up to white space the highest judged, the first of equals; 24 bytes a row."""
    places = Places()
    columns = []
    for batch in batches:
        places.note(batch)
        hashes = text_hashes(batch.texts(text_field))
        columns.append(hashes.with_columns(score=batch.numbers(score_field)))
    best = (
        pl.concat(columns)
        .with_row_index("row")
        .sort("score", "row", descending=[True, False], nulls_last=True)
        .with_columns(best=pl.col("row").first().over("a", "b"))
        .sort("row")
    )
    return KeepRepresentatives(best["best"].to_numpy(), places, "duplicate")
