"""JSONL files of any size: batches of rows in, kept lines out as they stood, dropped rows beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.files.batch import Batch, Decision
from dalign.files.refusals import refusals
from dalign.parsing import json_value


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

    has_lines = True

    def __init__(self, batch: _core.JsonlBatch, first_row: int, path: Path) -> None:
        self.batch, self.first_row, self.rows, self.source = batch, first_row, batch.rows, path
        self.lines = batch.lines

    def fields(self, row: int) -> Sequence[str]:
        return list(self._value(row, pl.Series(self.batch.raw())[row]))

    def objects(self, field: str) -> Sequence[object]:
        return [value.get(field) for value in self._values]

    def texts(self, field: str) -> pl.Series:
        """The texts under a key that the batch was read for."""
        return pl.Series(self.batch.column(field)).alias(field)

    def numbers(self, field: str) -> pl.Series:
        for row, value in enumerate(self._values):
            if field not in value:
                raise self.missing(row, field)
            if type(value[field]) not in (int, float):
                raise self.wrong(row, field, value[field], "a number")
        return pl.Series(field, self.objects(field), dtype=pl.Float64, strict=False)

    @cached_property
    def _values(self) -> list[dict[str, object]]:
        return [self._value(row, line) for row, line in enumerate(pl.Series(self.batch.raw()))]

    def _value(self, row: int, line: str) -> dict[str, object]:
        try:
            value: dict[str, object] = json_value(line)
        except ValueError as error:
            raise self.refuse(row, f"{error}") from error
        return value


class JsonlSink:
    """Writes kept lines and dropped rows, both files whole or not at all."""

    def __init__(self, out: Path | None, dropped: Path) -> None:
        self._place, self._dropped = dropped, _core.LineWriter(dropped)
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
            try:
                self._kept.finish()
            except BaseException:
                self._place.unlink(missing_ok=True)
                raise

    def close(self) -> None:
        """Leaves nothing behind but files in their places: a writer takes its file away when it goes."""
        del self._dropped, self._kept
