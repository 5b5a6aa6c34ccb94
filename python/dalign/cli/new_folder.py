"""A folder of a command's own: new, and as it was before where the command fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dalign.errors import InputError, naming
from dalign.store.whole_files import remove


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Around what writes into a folder that holds nothing yet. Raises InputError where it does."""
    with naming(folder):
        was_there = folder.exists()
        if was_there and (not folder.is_dir() or any(folder.iterdir())):
            said = "is there already and not empty; name a folder that is not there yet, so that nothing is overwritten"
            raise InputError.in_file(folder, said, kind="exists")
        try:
            yield
        except BaseException:
            for path in folder.iterdir() if folder.is_dir() else ():
                remove(path)
            if folder.is_dir() and not was_there:
                folder.rmdir()
            raise
