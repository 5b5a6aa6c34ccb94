"""Files that appear whole: each is written beside its place and moved there, so that a kill leaves no half file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from dalign.errors import from_system

Json = Any
PARTIAL = ".tmp"
# As much of a name has room for what is added to it.
_NAME_BYTES = 240


def digest(value: Json) -> str:
    """sha256 of a JSON value, its keys sorted."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()
    ).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def frame_digest(frame: pl.DataFrame) -> str:
    """sha256 of a table's names, types and values, the same however it is stored."""
    columns = [f"{name}:{dtype}" for name, dtype in frame.schema.items()]
    hasher = hashlib.sha256("\n".join(columns).encode())
    for piece in frame.iter_slices(10_000):
        hasher.update(piece.write_ndjson().encode())
    return hasher.hexdigest()


def _is_own_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def remove(path: Path) -> None:
    """Removes what stands at a path, if anything does: a file, a folder with all in it; of a link, the link alone."""
    if _is_own_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def set_by(path: Path, folder: Path | None = None) -> Path:
    """Moves what stands at a path out of the way, nothing of it lost: to `NAME.aside`, or `NAME.aside-2`, …

    folder: where to, if not beside it.
    """
    # What is there when a stage ends is named in its manifest, which is text.
    kept = os.fsencode(path.name)[:_NAME_BYTES].decode("utf-8", "replace")
    names = (f"{kept}.aside{number}" for number in ("", *(f"-{n}" for n in range(2, 1000))))
    places = ((folder or path.parent) / name for name in names)
    free = next(p for p in places if not (p.exists() or p.is_symlink()))
    path.rename(free)
    return free


def folder_place(path: Path) -> Path | None:
    """Makes way for a folder; where what stands there and is none lies then, None where nothing was in the way."""
    in_the_way = not path.is_dir() and (path.exists() or path.is_symlink())
    return set_by(path) if in_the_way else None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file that is to stand at `path`: it is moved there at the end, or taken away where that fails.

    Makes the folder; another folder in the file's place is set by. Raises InputError, which names the file, for what
    the system refuses.
    """
    temporary = path.with_name(path.name + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for each in (temporary, path):
            if _is_own_folder(each):
                set_by(each)
        # A pipe or a link would be written into.
        temporary.unlink(missing_ok=True)
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError | pl.exceptions.PolarsError):
            raise from_system(error, path) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file, or none."""
    with whole(path) as temporary:
        temporary.write_text(text, "utf-8")


def json_text(value: Json) -> str:
    """A JSON value as it stands in a file."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def write_json(path: Path, value: Json) -> None:
    """Writes a whole JSON file, or none."""
    write_text(path, json_text(value))


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Writes a whole Parquet file, or none."""
    with whole(path) as temporary:
        frame.write_parquet(temporary, statistics=False)
