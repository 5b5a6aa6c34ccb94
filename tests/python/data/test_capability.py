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


# What exports of chats have at each turn, and what changes nothing of what is said.
FURTHER = {
    "name": "ann",
    "id": "m1",
    "timestamp": 1.5,
    "metadata": {"a": 1},
    "tool_calls": None,
    "function_call": {},
    "refusal": None,
    "annotations": [],
    "audio": "",
    "finish_reason": "stop",
}


def test_further_keys_of_turns_that_change_nothing_are_passed_over(tmp_path: Path) -> None:
    last = ANSWER | FURTHER | {"weight": 1, "train": True, "loss": 1.0}
    earlier = [USER | FURTHER | {"weight": 0}, ANSWER | {"weight": 0, "train": False}, USER]
    made = list(capability_rows(write(tmp_path, {"messages": [*earlier, last]})))
    bare = list(capability_rows(write(tmp_path, {"messages": [USER, ANSWER, USER, ANSWER]})))
    assert made == bare


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "thinking"])
def test_reasoning_is_read_by_each_of_its_names(tmp_path: Path, name: str) -> None:
    rows = capability_rows(write(tmp_path, {"messages": [USER, ANSWER | {name: "2 and 2."}]}))
    assert [row.reasoning for row in rows] == ["2 and 2."]


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
        *(
            (
                {"messages": [USER, ANSWER | {key: value}]},
                (f"messages[1] says {key} = {shown}", "leave the row out"),
            )
            for key, value, shown in [
                ("weight", 0, "0"),
                ("weight", 0.5, "0.5"),
                ("train", False, "false"),
                ("loss", "no", '"no"'),
            ]
        ),
        (
            {"messages": [USER, ANSWER | {"reasoning": "x", "thinking": "y"}]},
            ("unknown key 'thinking'",),
        ),
        ({"messages": [USER, ANSWER | {"tool_calls": [{}]}]}, ("messages[1] calls a tool",)),
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
