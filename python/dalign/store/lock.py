"""One process at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dalign.errors import BusyError

LOCK = ".lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; makes the folder. Raises BusyError if another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            said = f"{folder}: another dalign works in this folder (process {holder}); wait for it or end it"
            raise BusyError(said, path=folder, value=holder) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
