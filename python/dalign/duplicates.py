"""Of rows with the same text, or nearly the same, one stays: the highest judged, or else the first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign import _core
from dalign.files.batch import Batch, Decision
from dalign.files.jsonl import LineBatch
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, Decide, FileJob, look_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A part of a column of texts, and of the scores beside it.
TextsAndScores = tuple[pl.Series, pl.Series | None]


@dataclass(frozen=True)
class Near:
    """What makes two texts nearly the same: the Jaccard similarity of their sets of `ngram` words in a row.

    A pair of similarity J is found with a chance of 1 − (1 − J^(permutations / bands))^bands: 0.85 at 0.7, 0.998 at 0.8.
    """

    threshold: float = 0.7
    ngram: int = 5
    permutations: int = 256
    bands: int = 32


def dedup_file(job: FileJob, text_field: str, score_field: str | None, near: Near | None) -> Counts:
    """Keeps one of a file's rows with the same text up to white space, or nearly the same."""
    source = job.open()
    scores = [] if score_field is None else [score_field]

    def compared() -> Iterator[Batch]:
        return look_through(source, [text_field], scores, job.progress, "compare")

    decide: Decide
    if near is not None:
        decide = near_copies(compared, text_field, near, score_field, job.memory_bytes // 4)
    elif score_field is not None:
        decide = best_copies(compared(), text_field, score_field)
    else:
        decide = FirstCopies(text_field, job.table_mib)
    return job.sift(source, [text_field], decide)


class FirstCopies:
    """Drops texts that an earlier, kept row has, up to white space. memory_mib: for hashes of texts."""

    def __init__(self, text_field: str, memory_mib: int) -> None:
        self._text_field = text_field
        with refusals():
            self._filter = _core.RowFilter(None, None, False, 0, None, True, memory_mib)
        self._blank: str | None = None

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: `duplicate`."""
        return self.after(batch, Decision.keep_all(batch.rows))

    def after(self, batch: Batch, earlier: Decision) -> Decision:
        """The decision on those rows of a batch that `earlier` keeps, beside it: a row that it drops is no first copy."""
        texts, lines = batch.texts(self._text_field), pl.Series(batch.line_numbers())
        passed = earlier.keep.arg_true()
        if len(passed) < batch.rows:
            texts, lines = texts.gather(passed), lines.gather(passed)
        whole = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
        with refusals():
            found = Decision.told(*self._filter.check(texts, whole, lines))
        # `scatter` writes in place: the earlier decision's columns stay as they are.
        none = earlier.reasons.clear(batch.rows)
        reasons = none.clone().scatter(passed, found.reasons)
        details = none.clone().scatter(passed, _by_place(batch, found.details))
        return self._without_blanks(batch, earlier.then(Decision.of(reasons, details)))

    def _without_blanks(self, batch: Batch, decision: Decision) -> Decision:
        """The decision with blank texts as copies of the first of them: the core has no use for them at all."""
        blank = (decision.reasons == "empty_answer").fill_null(False)
        if not blank.any():
            return decision
        reasons, details = decision.reasons.to_list(), decision.details.to_list()
        for row in blank.arg_true().to_list():
            reasons[row] = details[row] = None
            if self._blank is None:
                self._blank = batch.place(row)
            else:
                reasons[row], details[row] = "duplicate", f"blank as {self._blank}"
        return Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))


def _by_place(batch: Batch, details: pl.Series) -> pl.Series:
    """The details with rows, counted from 0, where the rows of a table have no lines, counted from 1."""
    if isinstance(batch, LineBatch):
        return details
    line = pl.col("detail").str.extract(r" line (\d+)$").cast(pl.Int64)
    by_row = pl.format("the same text as row {}", line - 1)
    told = details.alias("detail").to_frame()
    return told.select(pl.when(line.is_not_null()).then(by_row).otherwise("detail")).to_series()


class Places:
    """Where the rows of batches that have passed stand."""

    def __init__(self) -> None:
        self._first_rows: list[int] = []
        self._where: list[Any] = []

    def note(self, batch: Batch) -> None:
        """Remembers a batch's places: a few bytes, more where blank lines stand between its rows."""
        if self._first_rows and batch.first_row <= self._first_rows[-1]:
            return
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
        details = [
            None if row == own else f"{self._detail} {self._places.of(row)}"
            for own, row in enumerate(rows, batch.first_row)
        ]
        return Decision.because(self._reason, pl.Series(details, dtype=pl.String))


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


def text_hashes(texts: pl.Series) -> pl.DataFrame:
    """128 bits of each text up to white space, in two columns; equal in this process alone."""
    words = texts.str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.DataFrame({"a": words.hash(1), "b": words.hash(2)})


def near_copies(
    batches: Callable[[], Iterator[Batch]],
    text_field: str,
    near: Near,
    score_field: str | None,
    memory_bytes: int,
) -> KeepRepresentatives:
    """Of rows with nearly the same text the highest judged, or else the first: `near_rows` of their fields."""
    places = Places()

    def columns() -> Iterator[TextsAndScores]:
        for batch in batches():
            places.note(batch)
            scores = None if score_field is None else batch.numbers(score_field)
            yield batch.texts(text_field), scores

    found = near_rows(columns, near, memory_bytes)
    return KeepRepresentatives(found, places, "near_duplicate", "nearly the same text as")


def near_rows(
    parts: Callable[[], Iterator[TextsAndScores]], near: Near, memory_bytes: int
) -> NDArray[np.integer[Any]]:
    """Of each row the one that stands for its group of nearly equal texts: the best scored, or else the first.

    parts: goes through the rows from the start; once for signatures (16 bytes and 4 for each band a row), then for the
    texts that are compared, as many at once as `memory_bytes` hold. Raises InputError for a threshold, words or
    bands that there cannot be.
    """
    scores: list[pl.Series] = []
    rows = text_bytes = 0
    with refusals():
        index = _core.NearIndex(near.ngram, near.permutations, near.bands, near.threshold)
        for texts, score in parts():
            index.add(texts)
            rows += len(texts)
            text_bytes += int(texts.str.len_bytes().sum())
            if score is not None:
                scores.append(score)
        candidates = index.candidates()
        most = max(2, memory_bytes * rows // max(1, text_bytes))
        while (wanted := candidates.wanted(most)) is not None:
            candidates.verify(_texts_of(wanted, (texts for texts, _ in parts())))
        representatives, _ = candidates.finish(pl.concat(scores) if scores else None)
    return representatives


def _texts_of(rows: NDArray[np.uint32], parts: Iterable[pl.Series]) -> pl.Series:
    """The texts of these rows, which rise."""
    import numpy as np

    found = []
    first = 0
    for part in parts:
        ends = np.searchsorted(rows, [first, first + len(part)])
        if ends[0] < ends[1]:
            # In memory of its own: a text that was picked out would keep its whole part.
            texts = part.gather(rows[ends[0] : ends[1]] - np.uint32(first)).to_list()
            found.append(pl.Series(texts, dtype=pl.String))
        if ends[1] == len(rows):
            break
        first += len(part)
    return pl.concat(found, rechunk=True)
