"""What a model was asked and replied: appended while it comes, kept with its keys, found again after an edit.

`journal*.jsonl` holds the replies of the rows in work, `replies*-00000.parquet` those of rows that are
made. When a stage starts with other inputs, both go to `earlier/`, and a request whose key is among
them is not made again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import polars as pl

from dalign import _core
from dalign.errors import InputError, naming
from dalign.rows import NEVER_CAME, Columns, Finish, table
from dalign.store.parts import Table, read_part
from dalign.store.whole_files import Json, file_digest, write_parquet, write_text
from dalign.text import storable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JOURNAL, REPLIES, EARLIER = "journal", "replies", "earlier"
# The last key of a journal's line: the checksum of the line without it.
_CHECKSUM = b', "crc32": '
# In the name of a journal that is of one chunk alone.
_ANY_CHUNK = ".[0-9][0-9][0-9][0-9][0-9]*"
# Hexadecimal digits of a file's hash in its name.
_HASH = 16
# Hexadecimal digits of a key that fit a signed 64-bit number.
_DIGITS = 15
_FINISHES = frozenset(get_args(Finish))
# `json.dumps` with an argument makes one for each line.
_WRITER = json.JSONEncoder(ensure_ascii=False)


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

    def read(self, *, mends: bool = True) -> Iterator[dict[str, Json]]:
        """The whole lines; what follows a broken one is cut off, as the kill left it, where the journal is one's own (`mends`)."""
        good = 0
        # Another may be done with it meanwhile.
        with suppress(FileNotFoundError, IsADirectoryError):
            with self.path.open("rb") as file:
                for line in file:
                    row = _row_of(line)
                    if row is None:
                        break
                    good += len(line)
                    yield row
            if mends and good < self.path.stat().st_size:
                os.truncate(self.path, good)

    def append(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Adds rows; they are on disk when this returns, short of a power cut."""
        self.add(b"".join(map(_line_of, rows)))

    def add(self, lines: bytes) -> None:
        """Adds lines, as `append` does rows."""
        with naming(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(lines)

    def replace(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Writes these rows in the place of all, whole or not at all."""
        write_text(self.path, b"".join(map(_line_of, rows)).decode())


def _line_of(row: Mapping[str, Json]) -> bytes:
    """As `_core.journal_lines` has those of replies."""
    text = _WRITER.encode(row).encode()
    return b"%b%b%d}\n" % (text[:-1], _CHECKSUM, zlib.crc32(text))


def _row_of(line: bytes) -> dict[str, Json] | None:
    """The row of a line; None where it is cut or changed, or was never appended as a row."""
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    is_whole = row.pop("crc32", None) == zlib.crc32(line.rpartition(_CHECKSUM)[0] + b"}")
    return row if is_whole else None


@dataclass(frozen=True)
class Memory:
    """The replies to one kind of question in a folder. beside: others work at other chunks; each has a journal of its own."""

    folder: Path
    name: str = ""
    beside: bool = False

    def _journal(self, chunk: int) -> Journal:
        mine = _of_chunk(chunk) if self.beside else ""
        return Journal(self.folder / f"{self._named(JOURNAL)}{mine}.jsonl")

    @cached_property
    def _earlier(self) -> Earlier:
        return Earlier(self.folder / EARLIER)

    def _named(self, what: str) -> str:
        return f"{what}-{self.name}" if self.name else what

    def recall(self, keys: Sequence[str]) -> dict[str, Kept]:
        """The replies of an earlier run, with other inputs, that have these keys; by key."""
        return self._earlier.find(keys)

    def in_work(self, chunk: int = 0) -> Iterator[Kept]:
        """The journalled replies of a chunk in work, whoever has had them; perhaps others' too."""
        yield from _kept(self._journal(chunk))
        name = self._named(JOURNAL)
        others = [self.folder / f"{name}.jsonl"]
        if not self.beside:
            others = sorted(self.folder.glob(f"{name}{_ANY_CHUNK}.jsonl"))
        for path in others:
            yield from _kept(Journal(path), mends=False)

    def append(self, replies: Sequence[Kept], chunk: int = 0) -> None:
        """Journals replies as they come."""
        self._journal(chunk).add(_core.journal_lines(replies))

    def keep(self, chunk: int, replies: Sequence[Kept]) -> None:
        """Keeps the replies of a chunk for runs to come."""
        Table(self.folder, self._named(REPLIES)).write(chunk, table(COLUMNS, replies))


def _kept(journal: Journal, *, mends: bool = True) -> Iterator[Kept]:
    """The replies of a journal; a line that is none is ignored."""
    for row in journal.read(mends=mends):
        texts = [row.get(name) for name in COLUMNS if name != "tokens"]
        tokens = row.get("tokens")
        is_whole = all(isinstance(text, str) and text == storable(text) for text in texts)
        is_whole &= type(tokens) is int and 0 <= tokens < 2**32 and row["finish"] in _FINISHES
        if is_whole:
            yield Kept(**{name: row[name] for name in Kept._fields})


def journals(folder: Path) -> list[Path]:
    """The journals of all memories in a folder."""
    return sorted(folder.glob(f"{JOURNAL}*.jsonl"))


def forget_chunk(folder: Path, chunk: int) -> None:
    """Removes what was journalled of a chunk that is done: all but what others work at beside it."""
    for path in journals(folder):
        if not fnmatch(path.stem, f"*{_ANY_CHUNK}") or path.stem.endswith(_of_chunk(chunk)):
            path.unlink()


def _of_chunk(chunk: int) -> str:
    return f".{chunk:05}"


def lacks_replies(folder: Path) -> bool:
    """Whether some of the replies that are kept in a folder never came."""
    kept = sorted(folder.glob(f"{REPLIES}*.parquet"))
    return any(read_part(path, ["finish"])["finish"].is_in(NEVER_CAME).any() for path in kept)


def set_aside(folder: Path) -> None:
    """Moves all kept and journalled replies to `earlier/`. A kill within it loses none."""
    move_aside(folder, sorted(folder.glob(f"{REPLIES}*.parquet")))
    for path in journals(folder):
        rows = list(_kept(Journal(path)))
        if rows:
            aside = folder / f"{REPLIES}-of-{path.stem}.parquet"
            write_parquet(table(COLUMNS, rows), aside)
            move_aside(folder, [aside])
        path.unlink()


def move_aside(folder: Path, parts: Sequence[Path]) -> None:
    """Moves kept replies to `earlier/`, where a file's name has its hash."""
    place = folder / EARLIER
    for number, path in enumerate(parts, len(list(place.glob("*")))):
        place.mkdir(exist_ok=True)
        os.replace(path, place / f"{number:06}-{file_digest(path)[:_HASH]}.parquet")


class Earlier:
    """Replies of an earlier run by their keys: twelve bytes of each are in memory."""

    def __init__(self, folder: Path) -> None:
        # What is damaged is asked again.
        self._files = [path for path in sorted(folder.glob("*.parquet")) if _is_sound(path)]

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


def _is_sound(path: Path) -> bool:
    """Whether a file of replies is what its name says; one of an earlier dalign says nothing, and must be readable."""
    told = path.stem.partition("-")[2]
    return file_digest(path).startswith(told) if told else is_readable(path)


def is_readable(path: Path) -> bool:
    """Whether a file without a mark holds replies."""
    try:
        return _starts(read_part(path, list(COLUMNS))["key"]).size >= 0
    except (InputError, pl.exceptions.PolarsError):
        return False


def _starts(keys: pl.Series) -> NDArray[np.int64]:
    return keys.str.slice(0, _DIGITS).str.to_integer(base=16, strict=True).to_numpy()
