"""Of rows with the same text, or nearly the same, one stays: the highest judged, or else the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from dalign import _core
from dalign.files.batch import Batch, Decision
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, FileJob, look_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A part of a column of texts, and of the scores beside it.
TextsAndScores = tuple[pl.Series, pl.Series | None]
Part = TypeVar("Part", pl.Series, pl.DataFrame)
# A text that stands for all blank ones.
BLANK = "\0blank"
# What shows, as the core has it of an answer.
VISIBLE = r"[[\p{L}\p{N}\p{P}\p{S}]--[\p{Default_Ignorable_Code_Point}\x{2800}\x{fffc}\x{fffd}\x{13441}\x{13442}\x{1d159}]]"


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
    import numpy as np

    source = job.open()
    if near is None and score_field is None:
        return job.sift(source, [text_field], FirstCopies(text_field, job.table_mib))
    others = [] if score_field is None else [score_field]
    lines: dict[int, NDArray[np.uint64]] = {}

    def compared() -> Iterator[TextsAndScores]:
        for batch in look_through(source, [text_field], others, job.progress, "compare"):
            lines[batch.first_row] = batch.row_numbers
            scores = None if score_field is None else batch.numbers(score_field)
            yield batch.texts(text_field), scores

    if near is None:
        best, reason, told = best_rows(compared()), "duplicate", "the same text as"
    else:
        best = near_rows(compared, near, job.memory_bytes // 4)
        reason, told = "near_duplicate", "nearly the same text as"
    numbers = np.concatenate(list(lines.values()))

    def decide(batch: Batch) -> Decision:
        rows = best[batch.first_row : batch.first_row + batch.rows].tolist()
        details = [
            None if row == own else f"{told} {batch.place_of(int(numbers[row]))}"
            for own, row in enumerate(rows, batch.first_row)
        ]
        return Decision.because(reason, pl.Series(details, dtype=pl.String))

    return job.sift(source, [text_field], decide)


class FirstCopies:
    """Drops texts that an earlier, kept row has, up to white space. memory_mib: for hashes of texts."""

    def __init__(self, text_field: str, memory_mib: int) -> None:
        self._text_field = text_field
        with refusals():
            self._filter = _core.RowFilter(None, None, False, 0, None, True, memory_mib, [])

    def __call__(self, batch: Batch, earlier: Decision | None = None) -> Decision:
        """The decision on those rows of a batch that `earlier` keeps, beside it: a row that it drops is no first copy."""
        earlier = earlier or Decision.keep_all(batch.rows)
        passed = earlier.keep.arg_true()
        texts = batch.texts(self._text_field).gather(passed)
        # The core has no use for a blank text: here they are copies of one another.
        texts = texts.set(~texts.str.contains(VISIBLE), BLANK)
        whole = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
        with refusals():
            lines = pl.Series(batch.row_numbers).gather(passed)
            found = Decision.told(self._filter.check(texts, whole, lines))
        # `scatter` writes in place: the earlier decision's columns stay as they are.
        none = earlier.reasons.clear(batch.rows)
        reasons = none.clone().scatter(passed, found.reasons)
        details = none.clone().scatter(passed, _by_place(batch, found.details))
        return earlier.then(Decision(reasons, details))


def _by_place(batch: Batch, details: pl.Series) -> pl.Series:
    """The details with the file, where there are several, and with rows, counted from 0, where there are no lines."""
    if batch.has_lines and not batch.earlier:
        return details
    line = pl.col("detail").str.extract(r" line (\d+)$").cast(pl.Int64)
    told = details.alias("detail").to_frame()
    if not batch.earlier:
        return told.select(pl.format("the same text as row {}", line - 1)).to_series()
    numbers = told.select(line).to_series()
    same = (None if n is None else f"the same text as {batch.place_of(n)}" for n in numbers)
    return pl.Series(list(same), dtype=pl.String)


def best_rows(parts: Iterable[TextsAndScores]) -> NDArray[np.integer[Any]]:
    """Of each row the highest judged with the same text up to white space, the first of equals; about 72 bytes a row."""
    hashes = [text_hashes(texts).with_columns(score=scores) for texts, scores in parts]
    # Stable: of equal scores the first row stays first. What is no number comes last.
    ranked = (
        pl.concat(hashes)
        .with_row_index("row")
        .sort(pl.col("score").fill_nan(None), descending=True, nulls_last=True, maintain_order=True)
    )
    best = ranked.select("row", best=pl.col("row").first().over("a", "b")).sort("row")
    return best["best"].to_numpy()


def text_hashes(texts: pl.Series) -> pl.DataFrame:
    """128 bits of each text up to white space, in two columns; equal in this process alone."""
    words = texts.str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.DataFrame({"a": words.hash(1), "b": words.hash(2)})


def near_rows(
    parts: Callable[[], Iterator[TextsAndScores]], near: Near, memory_bytes: int
) -> NDArray[np.integer[Any]]:
    """Of each row the one that stands for its group of nearly equal texts: the best scored, or else the first.

    parts: goes through the rows from the start; once for signatures (see `_core.NearIndex`), then for the
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
            found = picked((texts for texts, _ in parts()), wanted)
            # In memory of its own: a text that was picked out would keep its whole part.
            copied = [pl.Series(texts.to_list(), dtype=pl.String) for texts in found]
            candidates.verify(pl.concat(copied, rechunk=True))
        representatives, _ = candidates.finish(pl.concat(scores) if scores else None)
    return representatives


def picked(parts: Iterable[Part], numbers: NDArray[np.uint32]) -> Iterator[Part]:
    """Of each part of some rows that has some, those with these numbers, which rise."""
    import numpy as np

    first = 0
    for part in parts:
        start, end = np.searchsorted(numbers, [first, first + len(part)])
        if start < end:
            yield part[numbers[start:end] - np.uint32(first)]
        first += len(part)
        if end == len(numbers):
            return
        # Else it would live until the next part is made.
        del part
