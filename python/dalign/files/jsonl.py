"""Rows as lines of JSON, in files of any size: batches of them in, kept lines out as they stood, dropped rows beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.files import chat
from dalign.files.batch import Batch, Decision
from dalign.files.feeds import CSV, RowsFile
from dalign.files.refusals import refusals
from dalign.parsing import json_value


class JsonlRows:
    """The rows of a file as lines of JSON. batch_bytes: of lines in a batch, about."""

    suffix = ".jsonl"

    def __init__(self, file: RowsFile, batch_bytes: int) -> None:
        self.path, self._file = file.path, file
        self.size_bytes = file.path.stat().st_size
        self._batch_bytes = batch_bytes

    def batches(
        self, texts: Sequence[str], others: Sequence[str] = (), *, whole: bool
    ) -> Iterator[tuple[Batch, int]]:
        """Batches, each with the bytes read so far. texts: the fields that must hold one, or turns."""
        # Every line is there anyway, and what is no text is read from it.
        del others, whole
        first_row = done = 0
        names = self._plain_texts(texts)
        feed = None if self._file.is_plain else self._file.feed()
        try:
            with refusals(self.path, by_line=True):
                for batch in _core.JsonlReader(self.path, names, self._batch_bytes, source=feed):
                    done += batch.bytes
                    yield LineBatch(batch, first_row, self._file, names), done
                    first_row += batch.rows
        except InputError as error:
            if feed is not None and feed.refused is not None:
                raise feed.refused from error
            if self._file.has_lines or error.line is None:
                raise
            what = str(error).removeprefix(f"{self.path}:{error.line}: ")
            raise self._file.refuse(error.line, what, kind=str(error.kind)) from error

    def _plain_texts(self, texts: Sequence[str]) -> list[str]:
        """Those fields that the core reads: all but those where the first row has turns, or says it by its conversation."""
        names = list(dict.fromkeys(texts))
        if not names:
            return names
        first = next(self._file.numbered_lines(), None)
        try:
            row = json_value(first[1]) if first is not None else {}
        except ValueError:
            return names
        if not isinstance(row, dict):
            return names
        said = (name for name in names if isinstance(chat.text_of(row, name), str))
        turns = {name for name in said if name in chat.WHOLE or not isinstance(row.get(name), str)}
        return [name for name in names if name not in turns]

    def sink(self, out: Path | None, dropped: Path, *, named: bool) -> JsonlSink:
        """Where kept and dropped rows are written; kept ones nowhere without `out`."""
        return JsonlSink(out, dropped, named=named)


class LineBatch(Batch):
    """Rows of a file as lines. names: of the fields whose texts the core has read."""

    def __init__(
        self, batch: _core.JsonlBatch, first_row: int, file: RowsFile, names: Sequence[str]
    ) -> None:
        self.batch, self.first_row, self.rows, self.source = batch, first_row, batch.rows, file.path
        self.lines, self.has_lines = batch.lines, file.has_lines
        self._names, self._are_texts = names, file.form == CSV

    def has_read(self, field: str) -> bool:
        """Whether the core has read the texts of a field."""
        return self.has_lines and field in self._names

    def fields(self, row: int) -> Sequence[str]:
        return list(self._value(row, pl.Series(self.batch.raw())[row]))

    def objects(self, field: str) -> Sequence[object]:
        return [value.get(field) for value in self._values]

    def values(self) -> Sequence[Mapping[str, object]]:
        return self._values

    def texts(self, field: str) -> pl.Series:
        """The texts under a key that the batch was read for."""
        if field not in self._names:
            return self.said(field)
        return pl.Series(self.batch.column(field)).alias(field)

    def numbers(self, field: str) -> pl.Series:
        values = self.objects(field)
        if self._are_texts:
            read = pl.Series(values, dtype=pl.String).cast(pl.Float64, strict=False).to_list()
            values = [
                cell if number is None else number
                for cell, number in zip(values, read, strict=True)
            ]
        for row, value in enumerate(values):
            if field not in self._values[row]:
                raise self.missing(row, field)
            if type(value) not in (int, float):
                raise self.wrong(row, field, value, "a number")
        return pl.Series(field, values, dtype=pl.Float64, strict=False)

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
    """Writes kept lines and dropped rows, both files whole or not at all. named: whether dropped rows tell their file."""

    def __init__(self, out: Path | None, dropped: Path, *, named: bool) -> None:
        self._named = named
        self._place, self._dropped = dropped, _core.LineWriter(dropped)
        self._kept = None if out is None else _core.LineWriter(out)

    def write(self, batch: Batch, decision: Decision) -> None:
        """Writes a batch's rows, each where its decision says."""
        assert isinstance(batch, LineBatch)
        if self._kept is not None:
            self._kept.write(batch.batch, decision.keep)
        self._dropped.write_dropped(
            batch.batch, decision.keep, decision.reasons, decision.details, self._named
        )

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
