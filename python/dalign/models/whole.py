"""Whether a text holds a conversation: every turn's words, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dalign.errors import InputError
from dalign.models.chat_template import THOUGHTS, Conversation
from dalign.text import short

# What a turn may say, beside whose it is; names of tools and ids of calls are no words.
SAID = ("content", *THOUGHTS)
_WAYS_OUT = {
    "content": "give the turn a role that the template writes, or mend the checkpoint's chat_template.jinja",
    "calls": "write the call as text in content, or mend the checkpoint's chat_template.jinja",
    "thought": "take it out of the row, or mend the checkpoint's chat_template.jinja",
}


def words_for(roles: Sequence[str]) -> list[dict[str, str]]:
    """A conversation of these roles. Each turn says a word that no template and no other turn holds."""
    return [{"role": role, "content": f"Querl{'a' * n}z"} for n, role in enumerate(roles)]


def lost_turn(messages: Conversation, text: str) -> int | None:
    """The first of `words_for` some roles that a text does not hold."""
    return next((n for n, turn in enumerate(messages) if turn["content"] not in text), None)


def left_out(messages: Conversation, number: int, kind: str, words: str = "") -> InputError:
    """The error of a turn that a template leaves out."""
    role, shown = messages[number].get("role"), f" ({short(repr(words))})" if words else ""
    what = {
        "content": f"what the role {role!r} says{shown}",
        "calls": f"a call of the role {role!r}{shown}",
        "thought": f"reasoning of the role {role!r}{shown}",
    }[kind]
    # The policy may stand before what the user wrote, or within it.
    place = number + (messages[0].get("role") != "system")
    turn = f", turn {place}" if place else ""
    said = f"the chat template leaves out {what}{turn}; {_WAYS_OUT[kind]}"
    return InputError(said, kind="template", value=role)


def check_whole(messages: Conversation, text: str, tags: Sequence[str]) -> None:
    """Nothing, if the text holds all that the turns say, white space aside. Raises InputError.

    tags: the two around reasoning, which a template may write in its own way.
    """
    for number, turn in enumerate(messages):
        for kind, words in _said(turn, tags):
            if words not in text and not _holds(text, words):
                raise left_out(messages, number, kind, words)


def _said(turn: Any, tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What a turn says, piece by piece, and what kind of it each is."""
    for key in SAID:
        words = turn.get(key)
        if not isinstance(words, str):
            continue
        if key != "content":
            yield "thought", words.strip()
        elif tags and turn.get("role") == "assistant":
            yield from _pieces(words, *tags)
        else:
            yield "content", words.strip()
    for call in turn.get("tool_calls") or ():
        asked = call.get("function", call) if isinstance(call, dict) else call
        yield "calls", str(asked.get("name", "")) if isinstance(asked, dict) else str(asked)


def _pieces(words: str, start: str, end: str) -> Iterator[tuple[str, str]]:
    """The reasoning and the answer of what an assistant said."""
    thought, closed, answer = words.rpartition(end)
    if closed:
        yield "thought", thought.replace(start, "").strip()
    yield "content", answer.strip()


def _holds(text: str, words: str) -> bool:
    """Whether a text holds words as JSON has them, or with other white space."""
    escaped = json.dumps(words, ensure_ascii=False)[1:-1]
    return escaped in text or " ".join(words.split()) in " ".join(text.split())
