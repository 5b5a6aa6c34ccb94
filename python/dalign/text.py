"""Text that was written by others, made fit to be stored."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with what no file can hold (half a surrogate pair, NUL) as U+FFFD, the replacement character."""
    return _UNSTORABLE.sub("\ufffd", text)
