"""Prompts read from what a writer replies."""

from __future__ import annotations

from functools import partial

import pytest
from dalign.models.protocol import Reply
from dalign.models.reasoning import after_reasoning
from dalign.synth.written import prompts_of, read_written


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"prompt": "One?"}\n{"prompt": "Two?"}', ["One?", "Two?"]),
        ('Sure:\n```json\n{"prompt": "One?"},\n{"prompt": " Two? "}\n```\nDone.', ["One?", "Two?"]),
        ('[{"prompt": "One?"},\n {"prompt": "Two?"}]', ["One?", "Two?"]),
        ('[\n  {\n "prompt": "One?"\n }\n]', ["One?"]),
        ('["One?", "Two?"]', ["One?", "Two?"]),
        ('1. One?\n2) "Two?"\n3. **Three?**', ["One?", "Two?", "Three?"]),
        ("1. One,\nand more?\n\nLet me know!", ["One,\nand more?"]),
        ('<think>{"prompt": "No"}</think>{"prompt": "One?"}', ["One?"]),
        ('<think>{"prompt": "No"}', []),
        ('{"prompt": 7}\n{"text": "x"}\n{"prompt": ""}', []),
        ("[" * 100_000, []),
        ("I would rather not.", []),
        ("", []),
    ],
)
def test_prompts_are_read_from_a_reply(text, found) -> None:
    assert prompts_of(Reply("r", text, "stop", 1)) == found


def test_of_a_reply_that_was_cut_the_last_line_is_left_out() -> None:
    assert prompts_of(Reply("r", "1. One?\n2. Tw", "length", 1)) == ["One?"]
    assert prompts_of(Reply("r", '{"prompt": "One?"}', "length", 1)) == []


@pytest.mark.parametrize("finish", ["error", "timeout"])
def test_a_reply_that_never_came_says_nothing(finish) -> None:
    assert prompts_of(Reply("r", "1. One?\n2. Two?\n3. Th", finish, 1)) == []


def test_a_reply_that_failed_is_dropped_as_such_and_so_is_half_a_character(order_of) -> None:
    order = order_of()
    kept, dropped = read_written(
        [order, order],
        [Reply("a", "", "timeout", 0), Reply("b", '{"prompt": "\\ud800"}', "stop", 1)],
        (),
    )
    assert kept == []
    assert [each.reason for each in dropped] == ["timeout", "control_text"]
    assert "timeout" in dropped[0].detail


def test_of_reasoning_whose_opening_tag_the_template_writes_nothing_is_read() -> None:
    said = partial(after_reasoning, opened=True)
    assert prompts_of(Reply("r", '{"prompt": "No?"}', "stop", 1), said) == []
    closed = Reply("r", '{"prompt": "No?"}</think>{"prompt": "One?"}', "stop", 1)
    assert prompts_of(closed, said) == ["One?"]
