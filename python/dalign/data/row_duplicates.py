"""Of rows with the same text, or nearly the same, the highest judged one, or else the first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign import _core
from dalign.data.row_checks import text_hashes
from dalign.files.batch import Batch, Decision

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
        self, representatives: NDArray[np.integer[Any]], places: Places, reason: str, detail: str
    ) -> None:
        self._representatives = representatives
        self._places = places
        self._reason = reason
        self._detail = detail

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch."""
        rows = self._representatives[batch.first_row : batch.first_row + batch.rows].tolist()
        own = range(batch.first_row, batch.first_row + batch.rows)
        reasons = [None if a == b else self._reason for a, b in zip(rows, own, strict=True)]
        details = [
            None if a == b else f"{self._detail} {self._places.of(a)}"
            for a, b in zip(rows, own, strict=True)
        ]
        return Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))


def best_copies(batches: Iterable[Batch], text_field: str, score_field: str) -> KeepRepresentatives:
    """Of rows with the same text up to white space the highest judged, the first of equals; about 64 bytes a row."""
    import numpy as np

    places = Places()
    parts: list[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.float64]]] = []
    for batch in batches:
        places.note(batch)
        hashes = text_hashes(batch.texts(text_field))
        scores = batch.numbers(score_field).to_numpy()
        parts.append((hashes["a"].to_numpy(), hashes["b"].to_numpy(), scores))
    upper, lower, score = (np.concatenate(part) for part in zip(*parts, strict=True))
    del parts
    # Stable: of equal scores the first row stays first. What is no number comes last.
    np.negative(score, out=score)
    order = np.lexsort((score, lower, upper))
    upper, lower = upper[order], lower[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (upper[1:] != upper[:-1]) | (lower[1:] != lower[:-1])
    best = np.empty(len(order), dtype=np.int64)
    best[order] = order[is_first][np.cumsum(is_first) - 1]
    return KeepRepresentatives(best, places, "duplicate", "the same text as")


@dataclass(frozen=True)
class Near:
    """What makes two texts nearly the same: the Jaccard similarity of their sets of `ngram` words in a row.

    A pair of similarity J is found with a chance of 1 − (1 − J^(permutations / bands))^bands: 0.85 at 0.7, 0.998 at 0.8.
    """

    threshold: float = 0.7
    ngram: int = 5
    permutations: int = 256
    bands: int = 32


def near_copies(
    batches: Callable[[], Iterator[Batch]],
    text_field: str,
    near: Near,
    score_field: str | None,
    memory_bytes: int,
) -> KeepRepresentatives:
    """Of rows with nearly the same text the highest judged, or else the first.

    batches: goes through the rows from the start; once for signatures (16 bytes and 4 for each band a row), then for the
    texts that are compared, as many at once as `memory_bytes` hold.
    """
    index = _core.NearIndex(near.ngram, near.permutations, near.bands, near.threshold)
    places = Places()
    scores: list[pl.Series] = []
    rows = text_bytes = 0
    for batch in batches():
        texts = batch.texts(text_field)
        index.add(texts)
        places.note(batch)
        rows += batch.rows
        text_bytes += int(texts.str.len_bytes().sum())
        if score_field is not None:
            scores.append(batch.numbers(score_field))
    candidates = index.candidates()
    most = max(2, memory_bytes * rows // max(1, text_bytes))
    while (wanted := candidates.wanted(most)) is not None:
        candidates.verify(_texts_of(wanted, batches(), text_field))
    representatives, _ = candidates.finish(pl.concat(scores) if scores else None)
    return KeepRepresentatives(representatives, places, "near_duplicate", "nearly the same text as")


def _texts_of(rows: NDArray[np.uint32], batches: Iterable[Batch], text_field: str) -> pl.Series:
    """The texts of these rows, which rise."""
    import numpy as np

    found = []
    for batch in batches:
        ends = np.searchsorted(rows, [batch.first_row, batch.first_row + batch.rows])
        if ends[0] < ends[1]:
            here = rows[ends[0] : ends[1]] - np.uint32(batch.first_row)
            # In memory of its own: a text that was picked out would keep its whole batch.
            texts = batch.texts(text_field).gather(here).to_list()
            found.append(pl.Series(texts, dtype=pl.String))
        if ends[1] == len(rows):
            break
    return pl.concat(found, rechunk=True)
