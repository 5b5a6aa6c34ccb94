"""JSON and TOML that others wrote: their values, or a ValueError that says what is wrong with the text."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# What a program writes has a few levels; each level more is a call more for all that walks the value.
DEEPEST = 100
# What the core reads of a line at most, and what a text of a table may have.
MOST_ROW_BYTES = 16 << 20
# What is read whole: settings, tables and templates that people write.
MOST_FILE_BYTES = 64 << 20
_TOO_DEEP = f"nested too deep to be read: more than {DEEPEST} levels"
_TOO_LONG = "holds a number that cannot be read: thousands of digits; shorten it"

_AT_LINE = re.compile(r"\s*\(at line (?P<line>\d+), column \d+\)$")


class UnreadableError(ValueError):
    """What is wrong with a text, and on which line; the last one where it is not known."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


def file_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises OSError, UnicodeDecodeError, or ValueError for more than 64 MiB: a device gives bytes without end.
    """
    if path.is_fifo():
        raise ValueError("a pipe, which may never end")
    with path.open("rb") as file:
        data = file.read(MOST_FILE_BYTES + 1)
    if len(data) > MOST_FILE_BYTES:
        raise ValueError(f"more than {MOST_FILE_BYTES:,} bytes")
    return data.decode("utf-8-sig")


def json_value(
    text: str | bytes, pairs: Callable[[Sequence[tuple[str, Any]]], Any] | None = None
) -> Any:
    """The value of a JSON text. pairs: what makes an object of its keys and values.

    Raises json.JSONDecodeError, UnicodeDecodeError, or ValueError for a number of too many digits or for
    more than a hundred levels.
    """
    try:
        value = json.loads(text, object_pairs_hook=pairs)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError as error:
        raise ValueError(_TOO_LONG) from error
    if _may_be_deep(text) and _is_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def toml_table(text: str) -> dict[str, Any]:
    """The table of a TOML text. Raises UnreadableError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, match = str(error), _AT_LINE.search(str(error))
        lines = int(match["line"]) if match else len(text.splitlines()) or 1
        what = _AT_LINE.sub("", said).removesuffix(" (at end of document)")
        raise UnreadableError(what, lines) from error
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        what = _TOO_DEEP if deep else _TOO_LONG
        raise UnreadableError(what, _longest_line(text)) from error
    if _is_deep(table):
        raise UnreadableError(_TOO_DEEP, _longest_line(text))
    return table


def _may_be_deep(text: str | bytes) -> bool:
    if isinstance(text, bytes):
        return text.count(b"[") + text.count(b"{") > DEEPEST
    return text.count("[") + text.count("{") > DEEPEST


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _longest_line(text: str) -> int:
    """Where a value that no reader takes stands, as good as always."""
    lengths = [len(line) for line in text.splitlines()] or [0]
    return 1 + lengths.index(max(lengths))
