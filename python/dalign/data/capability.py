"""Capability rows from JSONL: conversations that end on the assistant's turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dalign import _core
from dalign.data.jsonl import RowError, messages_field, only_keys, rows_of, text_field, turns
from dalign.files import chat
from dalign.rows import CapabilityRow, messages_json


def capability_rows(path: Path) -> Iterator[CapabilityRow]:
    """The capability rows of a JSONL file, in its order; a row without an id gets a hash of its content.

    Raises InputError, which names line, value and way out, for the first line that is none.
    """
    return rows_of(path, _row, lambda row: row.id)


def _row(row: Mapping[str, object]) -> CapabilityRow:
    only_keys(row, ("id", "messages", "category"), "the row")
    given_id = text_field(row, "id", "id")
    text_field(row, "category", "category")
    messages = messages_field(row)
    for number, message in enumerate(messages[:-1]):
        if "reasoning" in message:
            way_out = "only the last turn, which is trained on, can have it"
            raise RowError(f"messages[{number}] has reasoning; {way_out}")
    last = messages[-1]
    if last["role"] != "assistant":
        way_out = "a capability row ends on the assistant's turn"
        raise RowError(f"the last message is of the role {last['role']!r}; {way_out}")
    if why := chat.untrained(last):
        raise RowError(f"messages[{len(messages) - 1}] {why}", "bad_field")
    if len(messages) < 2 or messages[-2]["role"] not in ("user", "tool"):
        way_out = "write what the assistant's turn answers"
        raise RowError(f"no user turn stands before the last message; {way_out}")
    reasoning = text_field(last, "reasoning", f"messages[{len(messages) - 1}].reasoning")
    conversation = turns(messages[:-1])
    answer = str(last["content"])
    content = (messages_json(conversation), reasoning or "", answer)
    return CapabilityRow(
        given_id or _core.row_id(list(content), "capability", 0), conversation, reasoning, answer
    )
