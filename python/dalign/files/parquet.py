"""Parquet files of any size: batches of rows in, kept and dropped rows out, each as one Parquet file."""

from __future__ import annotations

import os
import queue
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl

from dalign.errors import InputError
from dalign.files import chat
from dalign.files.batch import Batch, Decision, FrameBatch
from dalign.files.feeds import RowsFile
from dalign.files.forms import reading_parquet

# Rows of the first batch, from which the size of the others follows.
FIRST_ROWS = 256
DROPPED_COLUMNS: dict[str, pl.DataType] = {
    "dropped_row": pl.UInt64(),
    "dropped_reason": pl.String(),
    "dropped_detail": pl.String(),
}


class ParquetRows:
    """The rows of a Parquet file. batch_bytes: of decoded columns in a batch, about."""

    suffix = ".parquet"

    def __init__(self, file: RowsFile, batch_bytes: int) -> None:
        self.path = path = file.path
        self.size_bytes = path.stat().st_size
        self._batch_bytes = batch_bytes
        with reading_parquet(path):
            self.schema = pl.read_parquet_schema(path)
            self._rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())

    def batches(
        self, texts: Sequence[str], others: Sequence[str] = (), *, whole: bool
    ) -> Iterator[tuple[Batch, int]]:
        """Batches, each with about the bytes of the file read so far; with these columns, or with all."""
        fields = None if whole else [*texts, *others]
        if fields is not None and any(field not in self.schema for field in texts):
            fields += chat.FIELDS
        first_row, rows = 0, FIRST_ROWS
        while first_row < self._rows:
            frame = self._read(first_row, rows, fields)
            done = first_row + frame.height
            yield FrameBatch(frame, first_row, self.path), self.size_bytes * done // self._rows
            row_bytes = max(1.0, frame.estimated_size() / max(1, frame.height))
            first_row, rows = done, max(1, min(4 * rows, int(self._batch_bytes / row_bytes)))

    def _read(self, first_row: int, rows: int, fields: Sequence[str] | None) -> pl.DataFrame:
        # Slices, because they alone hold no more than they are asked for: the streaming engine
        # decodes whole row groups, several at once.
        scan = pl.scan_parquet(self.path)
        if fields is not None:
            known = [field for field in dict.fromkeys(fields) if field in self.schema]
            scan = scan.select(known or list(self.schema)[:1])
        with reading_parquet(self.path):
            return scan.slice(first_row, rows).collect()

    def sink(self, out: Path | None, dropped: Path, *, named: bool) -> ParquetSink:
        """Where kept and dropped rows are written; kept ones nowhere without `out`. named: dropped rows tell their file."""
        return ParquetSink(self.schema, out, dropped, self._batch_bytes, named=named)


class ParquetSink:
    """Writes kept and dropped rows, both files whole or not at all."""

    def __init__(
        self,
        schema: dict[str, pl.DataType],
        out: Path | None,
        dropped: Path,
        batch_bytes: int,
        *,
        named: bool,
    ) -> None:
        told = {**DROPPED_COLUMNS, **({"dropped_file": pl.String()} if named else {})}
        self._told = _free_names(list(told), schema)
        more = dict(zip(self._told, told.values(), strict=True))
        self._dropped = ParquetWriter(dropped, {**schema, **more}, batch_bytes)
        self._writers = [self._dropped]
        if out is not None:
            try:
                self._writers.append(ParquetWriter(out, dict(schema), batch_bytes))
            except OSError:
                self.close()
                raise

    def write(self, batch: Batch, decision: Decision) -> None:
        """Writes a batch's rows, each where its decision says."""
        assert isinstance(batch, FrameBatch)
        for writer in self._writers[1:]:
            writer.write(_own(batch.frame.filter(decision.keep), batch.rows))
        if not decision.keep.all():
            numbers = pl.Series(batch.lines) - 1
            told = (numbers, decision.reasons, decision.details, pl.lit(str(batch.source)))
            columns: dict[str, Any] = dict(zip(self._told, told, strict=False))
            dropped = batch.frame.with_columns(**columns).filter(~decision.keep)
            self._dropped.write(_own(dropped, batch.rows))

    def finish(self) -> None:
        """Puts both files in their places, the rows last: where they are, all is."""
        for writer in self._writers:
            writer.end()
        for writer in self._writers:
            writer.place()

    def close(self) -> None:
        """Leaves nothing behind but files in their places."""
        for writer in self._writers:
            writer.close()


def _free_names(names: Sequence[str], taken: Container[str]) -> list[str]:
    """The names, with a number behind all of them where a table has one of them already."""
    ends = ("" if n == 1 else f"_{n}" for n in count(1))
    tried = ([f"{name}{end}" for name in names] for end in ends)
    return next(free for free in tried if not any(name in taken for name in free))


def _own(table: pl.DataFrame, rows: int) -> pl.DataFrame:
    """The table, in memory of its own where it is the smaller part of so many rows: a filtered text
    column points into the whole batch, and would keep it until the table is written."""
    if 2 * table.height >= rows:
        return table
    return pl.DataFrame(table.to_dict(as_series=False), schema=table.schema)


class ParquetWriter:
    """One Parquet file, written table by table: polars' own writer, in a thread that waits for them."""

    def __init__(self, path: Path, schema: dict[str, pl.DataType], batch_bytes: int) -> None:
        self._path = path
        self._temporary = path.with_name(path.name + ".tmp")
        # A place to try before the thread does: the error is the caller's.
        self._temporary.open("wb").close()
        self._batch_bytes = batch_bytes
        self._schema = schema
        self._waiting: list[pl.DataFrame] = []
        self._waiting_bytes = 0
        self._queue: queue.Queue[pl.DataFrame | None] = queue.Queue(1)
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    def write(self, table: pl.DataFrame) -> None:
        """Adds rows. Raises InputError where they cannot be written."""
        self._waiting.append(table)
        self._waiting_bytes += int(table.estimated_size())
        if self._waiting_bytes >= self._batch_bytes:
            self._flush()

    def end(self) -> None:
        """Waits until all rows are written."""
        self._flush()
        self._put(None)
        self._thread.shutdown()
        self._check()

    def place(self) -> None:
        """Puts the file in its place."""
        os.replace(self._temporary, self._path)

    def close(self) -> None:
        """Ends the thread, and leaves no file that is not in its place."""
        while self._written is not None and not self._written.done():
            try:
                self._queue.put(None, timeout=0.1)
            except queue.Full:
                pass  # the thread is still at work on the table before it
        self._thread.shutdown()
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._waiting:
            self._put(pl.concat(self._waiting, rechunk=True))
        self._waiting, self._waiting_bytes = [], 0

    def _put(self, table: pl.DataFrame | None) -> None:
        """Hands a table to the thread, None at the end; groups have as many rows as the first table."""
        if self._written is None:
            group_rows = max(1, 0 if table is None else table.height)
            self._written = self._thread.submit(self._sink, group_rows)
        while True:
            self._check()
            try:
                return self._queue.put(table, timeout=1.0)
            except queue.Full:
                continue

    def _check(self) -> None:
        if self._written is not None and self._written.done() and self._written.exception():
            reason = str(self._written.exception()).strip().split("\n")[0]
            what = f"cannot be written ({reason}); free space or name another place"
            raise InputError.in_file(self._path, what, kind="unwritable_file")

    def _sink(self, group_rows: int) -> None:
        from polars.io.plugins import register_io_source

        source = register_io_source(lambda *_: self._tables(), schema=self._schema)
        source.sink_parquet(self._temporary, row_group_size=group_rows, statistics=False)

    def _tables(self) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame(schema=self._schema)
        while (table := self._queue.get()) is not None:
            yield table
