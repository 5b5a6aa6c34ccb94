"""Whether a text holds a conversation: every turn's words, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
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


class Shapes:
    """What a template does with conversations of the same roles, each tried once with words of no other text."""

    def __init__(self, write: Callable[[Conversation, bool], str], supports_system: bool) -> None:
        """write: fills in the template, with what asks for the next answer or without. supports_system: of a single user turn."""
        self._write, self._supports_system = write, supports_system
        # Of the roles: whether the system message moves, and which turn is lost as they stand.
        self._known: dict[tuple[str, ...], tuple[bool, int | None]] = {}

    def placed(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The conversation, its system message at the head of its first user turn where the template takes it only there."""
        return _in_first_user_turn(messages) if self._of(messages)[0] else messages

    def check(self, messages: Conversation, text: str, tags: Sequence[str]) -> None:
        """Nothing, if a text holds all that the turns say, white space aside. Raises InputError.

        tags: the two around reasoning, which a template may write in its own way.
        """
        if all(turn.keys() == {"role", "content"} for turn in messages):
            lost = self._of(messages)[1]
            if lost is not None:
                raise _left_out(messages, lost, "content")
        for number, turn in enumerate(messages):
            for kind, words in _said(turn, tags):
                if words not in text and not _holds(text, words):
                    raise _left_out(messages, number, kind, words)

    def _of(self, messages: Conversation) -> tuple[bool, int | None]:
        roles = tuple(turn["role"] for turn in messages)
        if roles not in self._known:
            turns = [{"role": role, "content": f"Querl{'a' * n}z"} for n, role in enumerate(roles)]
            refused, lost = self._lost(turns)
            moves = False
            if (refused or lost is not None) and roles[0] == "system" and "user" in roles:
                moved = self._lost(_in_first_user_turn(turns))
                moves = not self._supports_system or moved == (False, None)
            self._known[roles] = moves, lost
        return self._known[roles]

    def _lost(self, turns: Conversation) -> tuple[bool, int | None]:
        """Whether the template refuses these turns, and the first that it leaves out."""
        try:
            text = self._write(turns, turns[-1]["role"] != "assistant")
        except InputError:
            return True, None
        return False, next((n for n, t in enumerate(turns) if t["content"] not in text), None)


def _in_first_user_turn(messages: Conversation) -> list[dict[str, Any]]:
    system, *rest = (dict(turn) for turn in messages)
    first = next(turn for turn in rest if turn["role"] == "user")
    first["content"] = f"{system['content']}\n\n{first['content']}"
    return rest


def _left_out(messages: Conversation, number: int, kind: str, words: str = "") -> InputError:
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
