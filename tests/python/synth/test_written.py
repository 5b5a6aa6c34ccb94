"""Prompts read from what a writer replies."""

from __future__ import annotations

import base64
import codecs
import json
from dataclasses import replace
from functools import partial

import pytest
from dalign.models.protocol import Reply
from dalign.models.reasoning import after_reasoning
from dalign.synth.codes import CODES, encoded
from dalign.synth.written import prompts_of as conversations_of
from dalign.synth.written import read_written, text_of


def prompts_of(*given):
    """The texts of the prompts of a reply."""
    return [text_of(messages) for messages in conversations_of(*given)]


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


TALK = [
    {"role": "user", "content": "How do beans climb?"},
    {"role": "assistant", "content": "Along a stick."},
    {"role": "user", "content": "And peas?"},
]
HOUSE = [{"role": "system", "content": "You help gardeners."}, TALK[0]]


def told(**reply) -> Reply:
    return Reply("r", json.dumps(reply), "stop", 1)


def test_conversations_are_read_with_their_roles() -> None:
    for messages in (TALK, HOUSE):
        assert conversations_of(told(messages=messages)) == [tuple(messages)]


@pytest.mark.parametrize(
    "messages",
    [
        TALK[:2],
        [*HOUSE[::-1], TALK[2]],
        [{"role": "tool", "content": "x"}, TALK[0]],
        [{"role": "user", "content": " "}],
        [{"role": "user"}],
        ["How?"],
        [],
    ],
)
def test_what_is_no_conversation_that_ends_on_a_users_turn_is_unreadable(messages) -> None:
    assert conversations_of(told(messages=messages)) == []


@pytest.mark.parametrize(
    ("form", "reply", "is_kept"),
    [
        ("message", {"prompt": "How?"}, True),
        ("message", {"messages": TALK}, False),
        ("turns", {"messages": TALK}, True),
        ("turns", {"prompt": "How?"}, False),
        ("turns", {"messages": HOUSE}, False),
        ("operator", {"messages": HOUSE}, True),
        ("operator", {"messages": TALK}, False),
        ("persona", {"prompt": "You are an old gardener. How?"}, True),
        ("encoded", {"prompt": "Say in plain words: [[how do beans climb]]"}, True),
        ("encoded", {"prompt": "How do beans climb?"}, False),
        ("encoded", {"prompt": "Read [[]] this"}, False),
    ],
)
def test_a_prompt_has_the_form_that_was_ordered(order_of, form, reply, is_kept) -> None:
    order = replace(order_of(), form=form)
    kept, dropped = read_written([order], [told(**reply)], ())
    assert (len(kept) == 1, [each.reason for each in dropped]) == (is_kept, [] if is_kept else ["wrong_form"])  # fmt: skip


def test_a_passage_is_encoded_and_reads_back() -> None:
    backward = {
        "base64": lambda text: base64.b64decode(text).decode(),
        "ROT13": lambda text: codecs.decode(text, "rot13"),
        "reversed text": lambda text: text[::-1],
        "leetspeak": lambda text: text.translate(str.maketrans("43105", "aeios")).replace("7", "t"),
    }
    seen = set()
    for number in range(40):
        [message] = encoded(
            [{"role": "user", "content": "In CODE: [[how do beans climb]]. Thanks!"}], str(number)
        )
        name, _, rest = message["content"].removeprefix("In ").partition(": ")
        assert backward[name](rest.removesuffix(". Thanks!")) == "how do beans climb"
        seen.add(name)
    assert seen == set(CODES)
    # Other letters than Latin ones survive one code alone.
    [message] = encoded([{"role": "user", "content": "CODE [[как растут бобы]]"}], "1")
    assert message["content"].startswith("base64 ")
    assert backward["base64"](message["content"].removeprefix("base64 ")) == "как растут бобы"
