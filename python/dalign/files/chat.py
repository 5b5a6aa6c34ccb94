"""Conversations in the forms that files of rows commonly have them in, as a list of turns with `role` and `content`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from dalign.parsing import json_value
from dalign.text import short

# Fields that hold a conversation, and those that hold it in two parts.
WHOLE, PARTS = ("messages", "conversations"), ("prompt", "completion")
FIELDS = (*WHOLE, *PARTS)
# What ShareGPT's rows call the roles.
_ROLES = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function": "tool",
    "observation": "tool",
}

# What a turn's reasoning is called, and what says whether a turn is trained on.
_THOUGHTS = ("reasoning", "reasoning_content", "thinking")
_TRAINED = ("weight", "train", "training", "trainable", "loss")

Turn = Mapping[str, object]


def conversation(row: Mapping[str, object]) -> list[object] | None:
    """The turns of a row: its `messages` or `conversations`, else its `prompt` with the `completion`, texts or lists of turns.

    None where it has none of these. What is no turn stays as it is, for the reader to refuse.
    """
    for name in WHOLE:
        if (whole := turns_of(row.get(name))) is not None:
            return whole
    turns: list[object] = []
    for name, role in zip(PARTS, ("user", "assistant"), strict=True):
        value = turns_of(row.get(name))
        if value is not None:
            turns += value
        elif row.get(name) is not None:
            turns.append({"role": role, "content": row[name]})
        elif not turns:
            return None
    return turns


def turns_of(value: object) -> list[object] | None:
    """The turns of a list, or of a text that a table has one as; None where it is neither."""
    turns = _listed(value)
    return None if turns is None else [_turn(each) for each in turns]


def with_messages(row: Mapping[str, object]) -> Mapping[str, object]:
    """The row with its conversation under `messages`, whatever form it has it in."""
    turns = conversation(row)
    if turns is None:
        return row
    whole = [name for name in WHOLE if _listed(row.get(name)) is not None]
    gone = whole[:1] or PARTS
    return {name: value for name, value in row.items() if name not in gone} | {"messages": turns}


def text_of(row: Mapping[str, object], field: str) -> str | None:
    """The text of a field; of a list of turns, what they say, a line each. None where it holds neither.

    A row without `prompt` and `completion` has them by its conversation: what stands before the assistant's last turn, and
    that turn.
    """
    value = row.get(field)
    turns = _listed(value) if field in WHOLE or not isinstance(value, str) else None
    if turns is not None:
        return _said(turns)
    if isinstance(value, str):
        return value
    if value is not None or field not in PARTS or not any(name in row for name in WHOLE):
        return None
    whole = conversation(row) or []
    ends = bool(whole) and isinstance(whole[-1], Mapping) and whole[-1].get("role") == "assistant"
    if field == PARTS[0]:
        return _said(whole[:-1] if ends else whole)
    return _said(whole[-1:]) if ends else None


def with_thought(turn: Turn) -> Turn:
    """The turn with its reasoning under `reasoning`, whatever it is called. Where it is given twice, it stays as it is."""
    given = [name for name in _THOUGHTS if turn.get(name)]
    if given in ([], ["reasoning"]) or len({str(turn[name]) for name in given}) > 1:
        return turn
    rest = {name: value for name, value in turn.items() if name not in _THOUGHTS}
    return rest | {"reasoning": turn[given[0]]}


def untrained(turn: Turn) -> str:
    """Why a turn that is to be trained on is not, or not as others are, as it says itself; empty where it is."""
    for name in _TRAINED:
        value = turn.get(name)
        if value is not None and value != 1:
            return f"says {name} = {short(json.dumps(value))}, and only this turn is trained on, by the weight of all others; leave the row out, or the key"
    return ""


def _listed(value: object) -> Sequence[object] | None:
    """A list of turns; a table may hold it as a text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json_value(value)
        except ValueError:
            return None
    is_turns = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    return value if is_turns and isinstance(value, list) and value else None


def _turn(turn: object) -> object:
    """The turn under `role` and `content`, its text in one part."""
    if not isinstance(turn, Mapping):
        return turn
    # A table has the fields of every turn at each, null where there is none.
    named = {name: value for name, value in turn.items() if value is not None}
    # Some write `from` beside `content`, or `role` beside `value`.
    if "from" in named and "role" not in named:
        role = named.pop("from")
        named = {"role": _ROLES.get(str(role).lower(), role), **named}
    if "value" in named and "content" not in named:
        named["content"] = named.pop("value")
    content = named.get("content")
    if isinstance(content, list) and content:
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        if all(isinstance(part, str) for part in parts):
            named["content"] = "".join(map(str, parts))
    return named


def _said(turns: Sequence[object]) -> str | None:
    contents = [each.get("content") for each in map(_turn, turns) if isinstance(each, Mapping)]
    texts = [content for content in contents if isinstance(content, str)]
    return "\n".join(texts) if texts and len(texts) == len(turns) else None
