"""One process at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from dalign.errors import BusyError, InputError

LOCK = ".lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; makes the folder. Raises BusyError if another process has it."""
    with _held(folder) as lock:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            # Who holds it next may only read, and write nothing here.
            lock.truncate(0)


def _held(folder: Path) -> IO[str]:
    """The lock's file, taken, and still in its place then: who takes back a refused run removes it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        if not is_lock(folder / LOCK):
            said = (
                "no file, so that it can lock nothing; remove it: nothing is in it that a run needs"
            )
            raise InputError.in_file(folder / LOCK, said, kind="damaged_file")
        with suppress(FileNotFoundError), ExitStack() as opened:
            lock = opened.enter_context((folder / LOCK).open("a+"))
            _take(folder, lock, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
                opened.pop_all()
                return lock


@contextmanager
def nobody_else(folder: Path) -> Iterator[None]:
    """Keeps others from working in a folder that is read as a whole; writes nothing. Raises BusyError if one does."""
    if not (folder / LOCK).is_file():
        yield
        return
    with (folder / LOCK).open() as lock:
        _take(folder, lock, fcntl.LOCK_SH)
        yield


def is_lock(path: Path) -> bool:
    """Whether what stands at a lock's place can be one: a file, or nothing yet."""
    return path.is_file() or not (path.exists() or path.is_symlink())


def _take(folder: Path, lock: IO[str], how: int) -> None:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise BusyError(
            f"{folder}: another dalign works in this folder (process {holder}); wait for it or end it",
            kind="busy",
            path=folder,
            value=holder,
        ) from error
