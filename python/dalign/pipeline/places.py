"""Where a prompt that is refused stands in the user's file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from dalign.errors import InputError


def placed(path: Path, row: int, name: str, error: InputError) -> InputError:
    """The error of a row of a file: by its line, where a line is a row."""
    what = f"prompt {name}: {error}"
    if path.suffix != ".jsonl" or not path.is_file():
        said = f"{path}: row {row + 1}: {what}"
        return InputError(said, kind=error.kind, path=path, row=row)
    with path.open("rb") as file:
        lines = (number for number, line in enumerate(file, 1) if line.strip())
        line = next(islice(lines, row, None), None)
    return InputError.in_file(path, what, kind=error.kind, line=line)
