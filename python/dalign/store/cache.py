"""Replies that several runs share: an SQLite database in a folder, keyed by all that determines a reply."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dalign.errors import InputError
from dalign.rows import NEVER_CAME, Finish

DATABASE = "replies.sqlite"
# Another process writes a batch in far less.
_WAIT_S = 60.0
_DAY_S = 86_400
# Keys of one question to the database, which takes some hundred thousand variables at most.
_KEYS = 500
_VERSION = 1
_TABLE = """
    CREATE TABLE IF NOT EXISTS replies (
        key TEXT PRIMARY KEY, text TEXT NOT NULL, finish TEXT NOT NULL, tokens INTEGER NOT NULL, used INTEGER NOT NULL
    ) WITHOUT ROWID
"""


class Cached(NamedTuple):
    """A reply without the request that it came for."""

    text: str
    finish: Finish
    tokens: int


@dataclass(frozen=True)
class Stats:
    """What a cache holds. oldest: days since the reply was used that has not been for longest; bytes: of its files."""

    replies: int
    tokens: int
    bytes: int
    oldest_days: int


class Cache:
    """The replies in a folder. Several processes may read and write at once, on one machine."""

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        """make: the folder, if it is not there. Raises InputError for what is no cache."""
        self.path = folder / DATABASE
        if not make and not self.path.is_file():
            said = "no cache is there; name the folder that run.cache of a config names"
            raise InputError.in_file(folder, said, kind="missing_file")
        with self._told():
            if make:
                folder.mkdir(parents=True, exist_ok=True)
            self._open = sqlite3.connect(
                self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            # Written to a log beside it first: who reads does not wait for who writes.
            self._open.execute("PRAGMA journal_mode = WAL")
            self._open.execute("PRAGMA synchronous = NORMAL")
            version = self._open.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                said = f"a cache of another version of dalign ({version}); name another folder"
                raise InputError.in_file(self.path, said, kind="damaged_file")
            self._open.execute(_TABLE)
            self._open.execute(f"PRAGMA user_version = {_VERSION}")

    def find(self, keys: Sequence[str]) -> dict[str, Cached]:
        """The replies with these keys, by key."""
        found: dict[str, Cached] = {}
        today = int(time.time()) // _DAY_S
        stale: list[str] = []
        with self._told():
            for first in range(0, len(keys), _KEYS):
                some = keys[first : first + _KEYS]
                marks = ",".join("?" * len(some))
                rows = self._open.execute(
                    f"SELECT key, text, finish, tokens, used FROM replies WHERE key IN ({marks})",
                    some,
                )
                for key, text, finish, tokens, used in rows:
                    found[key] = Cached(text, finish, tokens)
                    if used != today:
                        stale.append(key)
            if stale:
                with self._writing():
                    self._open.executemany(
                        "UPDATE replies SET used = ? WHERE key = ?", [(today, key) for key in stale]
                    )
        return found

    def add(self, replies: Mapping[str, Cached]) -> None:
        """Takes in replies by their keys; those that never came stay out."""
        today = int(time.time()) // _DAY_S
        rows = [
            (key, *each, today) for key, each in replies.items() if each.finish not in NEVER_CAME
        ]
        if rows:
            with self._told(), self._writing():
                self._open.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?)", rows)

    def stats(self) -> Stats:
        """What it holds."""
        with self._told():
            query = "SELECT count(*), coalesce(sum(tokens), 0), min(used) FROM replies"
            replies, tokens, oldest = self._open.execute(query).fetchone()
            size = sum(path.stat().st_size for path in self.path.parent.glob(f"{DATABASE}*"))
        days = 0 if oldest is None else max(0, int(time.time()) // _DAY_S - oldest)
        return Stats(replies, tokens, size, days)

    def prune(self, *, unused_days: int | None = None, most_bytes: int | None = None) -> int:
        """Removes what has not been used for so many days, and then what has not been for longest until the texts fit; returns how many."""
        removed = 0
        with self._told():
            with self._writing():
                if unused_days is not None:
                    before = int(time.time()) // _DAY_S - unused_days
                    removed += self._open.execute("DELETE FROM replies WHERE used < ?", (before,)).rowcount  # fmt: skip
                if most_bytes is not None:
                    removed += self._open.execute(_BEYOND, (most_bytes,)).rowcount
            if removed:
                # Gives the room back to the disk.
                self._open.execute("VACUUM")
                self._open.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return removed

    def close(self) -> None:
        """Lets go of the database."""
        self._open.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._open.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._open.execute("ROLLBACK")
            raise
        self._open.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Around what asks the database: what it refuses is told by its file."""
        try:
            yield
        except sqlite3.OperationalError as error:
            way_out = "see to its place, its permissions and the room there, or leave run.cache out"
            raise InputError.in_file(self.path, f"{error}; {way_out}", kind="system") from error
        except sqlite3.DatabaseError as error:
            way_out = "remove it: replies are asked again, and no run loses any"
            raise InputError.in_file(
                self.path, f"not a cache ({error}); {way_out}", kind="damaged_file"
            ) from error


# Those used last are kept; what an entry takes is about its text and its key.
_BEYOND = """
    DELETE FROM replies WHERE key IN (
        SELECT key FROM (
            SELECT key, sum(length(CAST(text AS BLOB)) + 80) OVER (ORDER BY used DESC, key) AS bytes FROM replies
        ) WHERE bytes > ?
    )
"""
