"""Passages of prompts that are put in a code: a writer marks them in plain words, and what encodes them makes no slip."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from dalign.rows import Message, row_seed
from dalign.transforms import codes

_PASSAGE = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)
_NAME = re.compile(r"\bCODE\b")
# By the name that a message says them by. The others than base64 change Latin letters alone.
_NAMES = ("base64", "rot13", "reversed", "leetspeak")
CODES: dict[str, Callable[[str], str]] = {
    code.title: code.encode for code in map(codes.CODES.__getitem__, _NAMES)
}


def has_passage(text: str) -> bool:
    """Whether something stands between [[ and ]]."""
    return bool(_PASSAGE.search(text))


def encoded(messages: Sequence[Message], key: str) -> tuple[Message, ...]:
    """The messages with what stands between [[ and ]] in a code, and the word CODE as its name. key: what draws the code."""
    passages = [p for message in messages for p in _PASSAGE.findall(message["content"])]
    names = [*CODES] if all(passage.isascii() for passage in passages) else ["base64"]
    name = names[row_seed(0, "code", key) % len(names)]
    return tuple(
        Message(
            role=message["role"],
            content=_PASSAGE.sub(
                lambda found: CODES[name](found[1]), _NAME.sub(name, message["content"])
            ),
        )
        for message in messages
    )
