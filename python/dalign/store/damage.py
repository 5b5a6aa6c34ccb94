"""What is damaged or lost in a run's folder: one sentence, with the way out that loses least."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from dalign.errors import InputError
from dalign.panics import held_panics

if TYPE_CHECKING:
    from dalign.store.whole_files import Json

CONFIG, LEDGER = "config.toml", "ledger.json"
KIND = "damaged_file"
# What the system says of a file when it is the file's fault, and no want of permission or memory.
_FAULTS = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO}
# In bytes: a run of 10⁹ rows has no such record.
_LARGEST = 256 << 20
# The deepest file of a run below its folder.
_DEPTH = 8


def is_run(folder: Path) -> bool:
    """Whether a run has been started in a folder, as its config or its ledger tells."""
    return any((folder / name).is_file() for name in (CONFIG, LEDGER))


def run_of(path: Path) -> Path | None:
    """The folder of the run that a file is of; None for a file of no run."""
    above = list(path.parents)[:_DEPTH]
    return next((up for up in above if is_run(up)), None)


def damaged(path: Path, why: object, way_out: str = "") -> InputError:
    """The error of a file of a run that is not as it was written. way_out: where the run does not mend it by itself."""
    run = run_of(path)
    mends = (
        "make it again"
        if run is None
        else f"`dalign run --run {quote(str(run))}` redoes what is damaged"
    )
    reason = str(why).strip().partition("\n")[0]
    said = f"damaged or lost ({reason}); {way_out or mends}"
    return InputError.in_file(path, said, kind=KIND, value=reason)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around what reads a file of a run: what fails in it is the file's fault."""
    import polars as pl

    # To open a pipe would be to wait for ever.
    if path.exists() and not path.is_file():
        raise damaged(path, "no file")
    try:
        with held_panics():
            yield
    except InputError:
        raise
    except OSError as error:
        if error.errno not in _FAULTS:
            raise
        raise damaged(path, os.strerror(error.errno)) from error
    except (ValueError, LookupError, RecursionError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:  # fmt: skip
        raise damaged(path, error) from error


def read_object(path: Path) -> dict[str, Json]:
    """A JSON object that a run has written."""
    with reading(path):
        # It would be read as a whole.
        if (size := path.stat().st_size) > _LARGEST:
            raise ValueError(f"longer than any record: {size} bytes")
        value: Any = json.loads(path.read_text("utf-8"))
        if not isinstance(value, dict):
            raise TypeError("not a JSON object")
        return value
