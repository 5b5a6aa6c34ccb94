"""What the core or the file system refuses, as one sentence to people and as fields to programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dalign import _core
from dalign.errors import InputError, from_core


@contextmanager
def refusals(place: Path | str | None = None, *, by_line: bool = False) -> Iterator[None]:
    """Raises what the core refuses inside as an InputError with the core's kind, row, value and limit.

    place: a text stands before the core's sentence; a path is the file that was worked on, which the core names
    itself, and for which the file system's refusals are told too. by_line: the core's rows are lines, counted from 1.
    """
    path = place if isinstance(place, Path) else None
    try:
        yield
    except _core.CoreError as error:
        before = f"{place}: " if isinstance(place, str) else ""
        refused = from_core(error, f"{before}{error}", path=path)
        if by_line:
            refused.line, refused.row = refused.row, None
        raise refused from error
    except OSError as error:
        if path is None:
            raise
        what = f"cannot be written ({error.strerror}); name another place"
        raise InputError.in_file(path, what, kind="unwritable_file") from error
