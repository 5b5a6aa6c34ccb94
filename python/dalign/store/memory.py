"""What a model was asked and replied: appended while it comes, kept with its keys, found again after an edit.

`journal*.jsonl` holds the replies of the rows in work, `replies*-00000.parquet` those of rows that are
made. When a stage starts with other inputs, both go to `earlier/`, and a request whose key is among
them is not made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from dalign.errors import naming
from dalign.rows import NEVER_CAME, Columns, Finish, table
from dalign.store.parts import Table, read_part
from dalign.store.whole_files import Json, write_parquet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JOURNAL, REPLIES, EARLIER = "journal", "replies", "earlier"
# Hexadecimal digits of a key that fit a signed 64-bit number.
_DIGITS = 15


class Kept(NamedTuple):
    """A reply with its request's id and key: a digest of all that determines it. tokens: the end token included."""

    id: str
    key: str
    text: str
    finish: Finish
    tokens: int


COLUMNS: Columns = {
    "id": pl.String,
    "key": pl.String,
    "text": pl.String,
    "finish": pl.String,
    "tokens": pl.UInt32,
}


class Journal:
    """Rows appended while a stage runs, one JSON object a line; a line cut by a kill is ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Iterator[dict[str, Json]]:
        """The whole lines; what follows a broken one is cut off, as the kill left it."""
        if not self.path.is_file():
            return
        good = 0
        with self.path.open("rb") as file:
            for line in file:
                try:
                    row = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    row = None
                if not isinstance(row, dict):
                    break
                good += len(line)
                yield row
        if good < self.path.stat().st_size:
            os.truncate(self.path, good)

    def append(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Adds rows; they are on disk when this returns, short of a power cut."""
        with naming(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@dataclass(frozen=True)
class Memory:
    """The replies to one kind of question in a folder."""

    folder: Path
    name: str = ""

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self.folder / f"{self._named(JOURNAL)}.jsonl")

    @cached_property
    def _earlier(self) -> Earlier:
        return Earlier(self.folder / EARLIER)

    def _named(self, what: str) -> str:
        return f"{what}-{self.name}" if self.name else what

    def recall(self, keys: Sequence[str]) -> dict[str, Kept]:
        """The replies of an earlier run, with other inputs, that have these keys; by key."""
        return self._earlier.find(keys)

    def in_work(self) -> Iterator[Kept]:
        """The journalled replies."""
        return _kept(self._journal)

    def append(self, replies: Sequence[Kept]) -> None:
        """Journals replies as they come."""
        self._journal.append([reply._asdict() for reply in replies])

    def keep(self, chunk: int, replies: Sequence[Kept]) -> None:
        """Keeps the replies of a chunk for runs to come."""
        Table(self.folder, self._named(REPLIES)).write(chunk, table(COLUMNS, replies))


def _kept(journal: Journal) -> Iterator[Kept]:
    """The replies of a journal; a line that is none is ignored."""
    for row in journal.read():
        texts = [row.get(name) for name in COLUMNS if name != "tokens"]
        if all(isinstance(text, str) for text in texts) and type(row.get("tokens")) is int:
            yield Kept(**{name: row[name] for name in Kept._fields})


def journals(folder: Path) -> list[Path]:
    """The journals of all memories in a folder."""
    return sorted(folder.glob(f"{JOURNAL}*.jsonl"))


def set_aside(folder: Path) -> None:
    """Moves all kept and journalled replies to `earlier/`. A kill within it loses none."""
    place = folder / EARLIER
    place.mkdir(parents=True, exist_ok=True)
    number = len(list(place.iterdir()))
    for path in sorted(folder.glob(f"{REPLIES}*.parquet")):
        os.replace(path, place / f"{number:06}.parquet")
        number += 1
    for path in journals(folder):
        rows = list(_kept(Journal(path)))
        if rows:
            frame = table(COLUMNS, rows)
            write_parquet(frame, place / f"{number:06}.parquet")
            number += 1
        path.unlink()
    if number == 0:
        place.rmdir()


class Earlier:
    """Replies of an earlier run by their keys: twelve bytes of each are in memory."""

    def __init__(self, folder: Path) -> None:
        self._files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []

    def find(self, keys: Sequence[str]) -> dict[str, Kept]:
        """Those that have one of these keys and did come; by key."""
        if not self._files or not keys:
            return {}
        import numpy as np

        starts, files = self._index
        wanted = _starts(pl.Series(keys, dtype=pl.String))
        first = np.searchsorted(starts, wanted, "left")
        last = np.searchsorted(starts, wanted, "right")
        among: set[int] = set()
        for low, high in zip(first.tolist(), last.tolist(), strict=True):
            among.update(files[low:high].tolist())
        found: dict[str, Kept] = {}
        named = pl.DataFrame({"key": keys}, schema={"key": pl.String}).unique()
        for number in sorted(among):
            frame = read_part(self._files[number], list(COLUMNS)).join(named, on="key", how="semi")
            for row in frame.select(list(COLUMNS)).iter_rows():
                if row[3] not in NEVER_CAME:
                    found.setdefault(row[1], Kept(*row))
        return found

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The starts of all keys, sorted, and the file of each."""
        import numpy as np

        starts, files = [], []
        for number, path in enumerate(self._files):
            found = _starts(read_part(path, ["key"])["key"])
            starts.append(found)
            files.append(np.full(len(found), number, np.uint32))
        all_starts = np.concatenate(starts)
        order = np.argsort(all_starts)
        return all_starts[order], np.concatenate(files)[order]


def _starts(keys: pl.Series) -> NDArray[np.int64]:
    return keys.str.slice(0, _DIGITS).str.to_integer(base=16, strict=True).to_numpy()
