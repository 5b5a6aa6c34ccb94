"""Patterns that a user writes: regular expressions that no text can make slow."""

from __future__ import annotations

from functools import lru_cache

from dalign import _core
from dalign.text import short


@lru_cache(1024)
def read_pattern(text: str) -> _core.Pattern:
    """The pattern of a text. Raises ValueError, a clause that names it and says what to do."""
    try:
        return _core.Pattern(text)
    except _core.CoreError as error:
        way_out = "correct it" if error.kind == "bad_pattern" else "shorten it"
        if "look-around" in str(error) or "backreferences" in str(error):
            way_out = "write it without them, so that no text takes it long"
        said = f"{short(text, 200)!r} is not a regular expression: {error}; {way_out}"
        raise ValueError(said) from error


def read_any_case(text: str) -> _core.Pattern:
    """The pattern of a text, whatever the case of what it is matched with. Raises ValueError as `read_pattern` does."""
    # First as it was written, for what is said of it.
    read_pattern(text)
    return read_pattern(f"(?i){text}")
