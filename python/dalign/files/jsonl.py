"""JSONL files of any size: batches of rows in, kept lines out as they stood, dropped rows beside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dalign import _core
from dalign.files.batch import Batch, Decision, label_starts
from dalign.files.refusals import refusals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class JsonlRows:
    """The rows of a JSONL file. batch_bytes: of lines in a batch, about."""

    suffix = ".jsonl"

    def __init__(self, path: Path, batch_bytes: int) -> None:
        self.path = path
        self.size_bytes = path.stat().st_size
        self._batch_bytes = batch_bytes

    def batches(
        self, texts: Sequence[str], others: Sequence[str] = (), *, whole: bool
    ) -> Iterator[tuple[Batch, int]]:
        """Batches, each with the bytes of the file read so far. texts: the fields that must hold one."""
        # Every line is there anyway, and what is no text is read from it.
        del others, whole
        first_row = done = 0
        names = list(dict.fromkeys(texts))
        with refusals(self.path, by_line=True):
            for batch in _core.JsonlReader(self.path, names, self._batch_bytes):
                done += batch.bytes
                yield LineBatch(batch, first_row, self.path), done
                first_row += batch.rows

    def sink(self, out: Path | None, dropped: Path) -> JsonlSink:
        """Where kept and dropped rows are written; kept ones nowhere without `out`."""
        return JsonlSink(out, dropped)


class LineBatch(Batch):
    """Lines of a JSONL file."""

    def __init__(self, batch: _core.JsonlBatch, first_row: int, path: Path) -> None:
        self.batch = batch
        self.first_row = first_row
        self.rows = batch.rows
        self.path = path
        self._lines = batch.lines

    def places(self) -> Callable[[int], str]:
        """`place`, without the rows."""
        source, lines = self.path, self._lines
        first = int(lines[0])
        if int(lines[-1]) - first + 1 == len(lines):
            return lambda row: f"{source}:{first + row}"
        return lambda row: f"{source}:{lines[row]}"

    def line(self, row: int) -> int:
        """The line, counted from 1."""
        return int(self._lines[row])

    def line_numbers(self) -> NDArray[np.uint64]:
        """The lines, counted from 1."""
        return self._lines

    def has(self, field: str) -> bool:
        """Whether the first row has the key."""
        return field in json.loads(pl.Series(self.batch.raw())[0])

    def objects(self, field: str) -> Sequence[object]:
        """The values under a key."""
        return [value.get(field) for value in self._values]

    def texts(self, field: str) -> pl.Series:
        """The texts under a key that the batch was read for."""
        return pl.Series(self.batch.column(field)).alias(field)

    def numbers(self, field: str) -> pl.Series:
        """The numbers under a key."""
        for row, value in enumerate(self._values):
            if field not in value:
                raise self.missing(row, field, list(value))
            if type(value[field]) not in (int, float):
                raise self.wrong(row, field, value[field], "a number")
        return pl.Series(field, self.objects(field), dtype=pl.Float64, strict=False)

    def label_lists(self, field: str) -> tuple[pl.Series, NDArray[np.uint64]]:
        """The labels under a key: a text, a list of texts, or nothing."""
        flat: list[str] = []
        counts: list[int] = []
        for row, value in enumerate(self.objects(field)):
            labels = value if isinstance(value, list) else [] if value is None else [value]
            if not all(type(label) is str for label in labels):
                raise self.wrong(row, field, value, "a text or a list of texts")
            flat += map(str, labels)
            counts.append(len(labels))
        return pl.Series(field, flat, dtype=pl.String), label_starts(pl.Series(counts))

    @cached_property
    def _values(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in pl.Series(self.batch.raw())]


class JsonlSink:
    """Writes kept lines and dropped rows, both files whole or not at all."""

    def __init__(self, out: Path | None, dropped: Path) -> None:
        self._dropped = _core.LineWriter(dropped)
        self._kept = None if out is None else _core.LineWriter(out)

    def write(self, batch: Batch, decision: Decision) -> None:
        """Writes a batch's rows, each where its decision says."""
        assert isinstance(batch, LineBatch)
        if self._kept is not None:
            self._kept.write(batch.batch, decision.keep)
        self._dropped.write_dropped(batch.batch, decision.keep, decision.reasons, decision.details)

    def finish(self) -> None:
        """Puts both files in their places, the rows last: where they are, all is."""
        self._dropped.finish()
        if self._kept is not None:
            self._kept.finish()

    def abort(self) -> None:
        """Leaves nothing behind: a writer takes its file away when it goes."""
        del self._dropped, self._kept
