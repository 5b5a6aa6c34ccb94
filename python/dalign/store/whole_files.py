"""Files that appear whole: each is written beside its place and moved there, so that a kill leaves no half file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from dalign.errors import from_system

Json = Any
PARTIAL = ".tmp"


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


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file that is to stand at `path`: it is moved there at the end, or taken away where that fails.

    Makes the folder. Raises InputError, which names the file, for what the system refuses.
    """
    temporary = path.with_name(path.name + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def write_json(path: Path, value: Json) -> None:
    """Writes a whole JSON file, or none."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Writes a whole Parquet file, or none."""
    with whole(path) as temporary:
        frame.write_parquet(temporary, statistics=False)
