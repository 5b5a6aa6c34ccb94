"""Tables in parts: `NAME-00000.parquet`, `NAME-00001.parquet`, …, so that none is ever held whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from dalign.store.damage import damaged, reading
from dalign.store.seal import Seal
from dalign.store.whole_files import frame_digest, write_parquet

# A stage's rows.
ROWS = "part"
DROPPED = "dropped"


@dataclass(frozen=True)
class Table:
    """A table in a folder; it may have no part yet. seal: of a finished one; each part is checked before it is read."""

    folder: Path
    name: str = ROWS
    seal: Seal | None = None

    def path(self, index: int) -> Path:
        """The file of a part."""
        return self.folder / f"{self.name}-{index:05}.parquet"

    def paths(self) -> list[Path]:
        """The files of its parts, in order."""
        pattern = f"{self.name}-[0-9][0-9][0-9][0-9][0-9]*.parquet"
        if self.seal is None:
            return sorted(self.folder.glob(pattern))
        held = self.seal.below(self.folder)
        return [path for path in held if path.parent == self.folder and path.match(pattern)]

    def checked(self) -> list[Path]:
        """The files of its parts, in order, for who reads them otherwise. Raises InputError where one is damaged."""
        return [path if self.seal is None else self.seal.check(path) for path in self.paths()]

    def scan(self) -> pl.LazyFrame:
        """All of its rows, to be read as far as they are needed. It must have a part."""
        paths = self.checked()
        if not paths:
            raise damaged(self.path(0), "no such file")
        for path in paths:
            with reading(path):
                pl.read_parquet_schema(path)
        return pl.scan_parquet(paths)

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All of its rows at once: for what is small, or for few columns."""
        frames = [self._read(path, columns) for path in self.paths()]
        if not frames:
            raise damaged(self.path(0), "no such file")
        with reading(self.path(0)):
            return pl.concat(frames)

    def _read(self, path: Path, columns: Sequence[str] | None) -> pl.DataFrame:
        return read_part(path if self.seal is None else self.seal.check(path), columns)

    def height(self) -> int:
        """How many rows it has."""
        return int(self.scan().select(pl.len()).collect().item()) if self.paths() else 0

    def chunks(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Its rows in order, so many at a time, the last time fewer; whatever its parts hold."""
        waiting = Buffer()
        for path in self.paths():
            waiting.add(self._read(path, columns))
            while waiting.rows >= rows:
                yield waiting.take(rows)
        if waiting.rows:
            yield waiting.take(waiting.rows)

    def slice(self, start: int, rows: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """So many of its rows from one on, counted from 0; of the other parts nothing is read but how many rows they have."""
        found, at = Buffer(), 0
        for path, height in zip(self.paths(), self._heights, strict=True):
            if at < start + rows and at + height > start:
                part = self._read(path, columns)
                found.add(part[max(0, start - at) : start + rows - at])
            at += height
        return found.take(found.rows) if found.rows else self.scan().clear().collect()

    @cached_property
    def _heights(self) -> list[int]:
        return [_height(path) for path in self.paths()]

    def write(self, index: int, frame: pl.DataFrame) -> str:
        """Writes a part, whole or not at all; returns the digest of its rows."""
        write_parquet(frame, self.path(index))
        return frame_digest(frame)

    def clear(self) -> None:
        """Removes its parts."""
        for path in self.paths():
            path.unlink()


def read_part(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """A part's rows, or some columns of them."""
    with reading(path):
        return pl.read_parquet(path, columns=list(columns) if columns else None)


def _height(path: Path) -> int:
    with reading(path):
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())


@dataclass
class Buffer:
    """Rows that wait, in order."""

    rows: int = 0
    _frames: list[pl.DataFrame] = field(default_factory=list)

    def add(self, frame: pl.DataFrame) -> None:
        """Puts rows at the end."""
        if frame.height:
            self._frames.append(frame)
            self.rows += frame.height

    def take(self, rows: int) -> pl.DataFrame:
        """Takes the first rows out; there must be as many."""
        whole = pl.concat(self._frames) if len(self._frames) > 1 else self._frames[0]
        self._frames = [whole[rows:]] if rows < whole.height else []
        self.rows -= rows
        # In one piece each: filtered rows of several, of which one has none left, crash polars' format.
        return whole[:rows].rechunk()


@dataclass
class PartWriter:
    """Writes a table part by part, each of `rows` rows, the last one shorter. A table without a row has an empty part."""

    table: Table
    rows: int
    digests: list[str] = field(default_factory=list)
    written: int = 0
    _waiting: Buffer = field(default_factory=Buffer)

    def add(self, frame: pl.DataFrame) -> None:
        """Takes the next rows; what fills a part is written."""
        self._waiting.add(frame)
        while self._waiting.rows >= self.rows:
            self._write(self._waiting.take(self.rows))

    def end(self, empty: pl.DataFrame) -> None:
        """Writes what still waits. empty: the table without rows."""
        if self._waiting.rows:
            self._write(self._waiting.take(self._waiting.rows))
        elif not self.digests:
            self._write(empty)

    def _write(self, frame: pl.DataFrame) -> None:
        self.digests.append(self.table.write(len(self.digests), frame))
        self.written += frame.height
