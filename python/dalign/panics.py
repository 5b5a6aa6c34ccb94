"""Native code that stops in the middle of a file: an error like others, and not a page of its own on the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

# Where the bindings of all Rust libraries have the class of it, one class a library.
_MODULE = "pyo3_runtime"
_STDERR = 2


class PanicError(ValueError):
    """A library of native code has met what it did not think of, in a file that was given to it."""


def is_panic(error: BaseException) -> bool:
    """Whether it is what the bindings raise for a panic: no Exception, so that it passes by most handlers."""
    return type(error).__module__ == _MODULE


@dataclass
class _Held:
    readers: int = 0
    panicked: bool = False
    own: int = -1
    file: IO[bytes] | None = None


_held = _Held()
_lock = threading.Lock()


@contextmanager
def held_panics() -> Iterator[None]:
    """Around what reads a file by native code: a panic inside is raised as PanicError, and says nothing by itself.

    Such code prints its panic and the stack to file descriptor 2 before anyone can catch it, so what goes there is
    held until the last of its readers is done: it is printed then, or forgotten if one of them panicked.
    """
    _enter()
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
        _held.panicked = True
        said = str(error).strip().partition("\n")[0]
        raise PanicError(f"its form stops what reads it: {said[:120]}") from error
    finally:
        _leave()


def _enter() -> None:
    with _lock:
        _held.readers += 1
        if _held.readers > 1:
            return
        try:
            own = os.dup(_STDERR)
        except OSError:
            return  # closed: nothing is printed anyhow
        _held.panicked, _held.own, _held.file = False, own, _in_memory()
        _flush()
        os.dup2(_held.file.fileno(), _STDERR)


def _leave() -> None:
    with _lock:
        _held.readers -= 1
        if _held.readers or _held.file is None:
            return
        _flush()
        os.dup2(_held.own, _STDERR)
        os.close(_held.own)
        with _held.file as file:
            _held.file = None
            if _held.panicked:
                return
            file.seek(0)
            while block := file.read(1 << 16):
                os.write(_STDERR, block)


def _in_memory() -> IO[bytes]:
    """A file that needs no room on a disk, where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
