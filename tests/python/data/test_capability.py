"""Capability rows from JSONL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.data.capability import capability_rows
from dalign.errors import InputError
from dalign.rows import CapabilityRow

REAL = Path(__file__).parents[2] / "data" / "real" / "capability.jsonl"
USER = {"role": "user", "content": "2 + 2?"}
ANSWER = {"role": "assistant", "content": "4"}


def write(path: Path, *rows: object) -> Path:
    file = path / "capability.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def test_a_row_is_split_before_the_last_assistant_turn(tmp_path: Path) -> None:
    messages = [USER, ANSWER, USER, {**ANSWER, "reasoning": "2 and 2."}]
    rows = list(
        capability_rows(write(tmp_path, {"id": "a", "category": "general", "messages": messages}))
    )
    assert rows == [CapabilityRow("a", (USER, ANSWER, USER), "2 and 2.", "4")]


def test_reasoning_may_be_missing_or_null(tmp_path: Path) -> None:
    null = {"id": "b", "messages": [USER, {**ANSWER, "reasoning": None}]}
    rows = list(capability_rows(write(tmp_path, {"messages": [USER, ANSWER]}, null)))
    assert [row.reasoning for row in rows] == [None, None]


def test_ids_are_a_hash_of_conversation_reasoning_and_answer(tmp_path: Path) -> None:
    rows = list(
        capability_rows(
            write(
                tmp_path,
                {"messages": [USER, ANSWER]},
                {"messages": [USER, {**ANSWER, "reasoning": "2 and 2."}]},
                {"messages": [USER, {**ANSWER, "content": "Four"}]},
            )
        )
    )
    assert len({row.id for row in rows}) == 3
    assert rows == list(capability_rows(tmp_path / "capability.jsonl"))


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ({"messages": [USER]}, ("the role 'user'", "ends on the assistant's turn")),
        ({"messages": [ANSWER]}, ("no user turn stands before",)),
        ({"messages": [USER, ANSWER, ANSWER]}, ("no user turn stands before",)),
        ({"messages": [USER, {**ANSWER, "content": ""}]}, ("messages[1].content is empty",)),
        (
            {"messages": [USER, {**ANSWER, "reasoning": 3}]},
            ("messages[1].reasoning is not a text (3)",),
        ),
        (
            {"messages": [{**USER, "reasoning": "x"}, ANSWER]},
            ("messages[0] has reasoning", "only the last turn"),
        ),
        (
            {"messages": [USER, {**ANSWER, "reason": "x"}]},
            ("'reason'", "did you mean 'reasoning'?"),
        ),
        ({"message": [USER, ANSWER]}, ("unknown key 'message'", "did you mean 'messages'?")),
        ({"messages": [USER, ANSWER], "category": 3}, ("category is not a text (3)",)),
        ({"messages": None}, ("messages is missing",)),
    ],
)
def test_a_mistake_in_a_line_is_named(tmp_path: Path, row: object, parts: tuple[str, ...]) -> None:
    file = write(tmp_path, {"id": "ok", "messages": [USER, ANSWER]}, row)
    with pytest.raises(InputError) as caught:
        list(capability_rows(file))
    assert str(caught.value).startswith(f"{file}:2: ")
    for part in parts:
        assert part in str(caught.value)


def test_the_rows_of_the_real_model_test_can_be_read() -> None:
    rows = list(capability_rows(REAL))
    assert len(rows) >= 10
    assert any(row.reasoning is None for row in rows) and any(row.reasoning for row in rows)
