"""The forms in which servers give a completion: content, reasoning, end and count."""

from __future__ import annotations

import json

import pytest
from dalign.models.ask import Ask
from dalign.models.engines.chat_completion import complaint, said, status_in
from dalign.models.protocol import Reply
from dalign.progress import Progress
from fake_server import Answer, FakeServer, chat
from hypothesis import given, settings
from hypothesis import strategies as st
from served import SAMPLING, engine_of, replies_of, requests_of


def body_of(message: object, finish: object = "stop", **beside: object) -> str:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], **beside})


@pytest.mark.parametrize("message", [{"content": None}, {}, {"content": None, "refusal": ""}])
def test_a_message_that_says_nothing_and_has_not_ended_is_no_completion(message: object) -> None:
    assert said(body_of(message, None)) is None


@pytest.mark.parametrize(
    ("message", "thought", "text"),
    [
        ({"content": "hi"}, "", "hi"),
        ({"content": None}, "", ""),
        ({"content": []}, "", ""),
        ({}, "", ""),
        # Content in parts.
        ({"content": [{"type": "text", "text": "hi"}]}, "", "hi"),
        ({"content": [{"type": "output_text", "text": "a"}, {"text": "b"}, "c"]}, "", "abc"),
        ({"content": ["a", "b"]}, "", "ab"),
        ({"content": {"type": "text", "text": "hi"}}, "", "hi"),
        ({"content": [{"type": "text", "text": {"value": "hi"}}]}, "", "hi"),
        ({"content": [{"type": "image_url", "image_url": {"url": "x"}}, {"text": "hi"}]}, "", "hi"),
        ({"content": [None, 5, {"type": None}, {"text": "hi"}]}, "", "hi"),
        # Reasoning among them.
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}]}, "hm", "hi"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "hi"}]}, "hm", "hi"),
        ({"content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "hi"}]}, "hm", "hi"),
        ({"content": [{"type": "reasoning", "summary": [{"text": "h"}, {"text": "m"}]}, "hi"]}, "hm", "hi"),
        ({"content": [{"type": "redacted_thinking", "data": "x"}, {"text": "hi"}]}, "", "hi"),
        # Reasoning beside the content.
        *[({"content": "hi", name: "hm"}, "hm", "hi") for name in ("reasoning_content", "reasoning", "thinking", "thought", "thoughts", "reasoning_text", "thinking_content", "analysis")],
        ({"content": "hi", "reasoning": {"text": "hm"}}, "hm", "hi"),
        ({"content": "hi", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "hm", "hi"),
        ({"content": "hi", "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, "hm", "hi"),
        ({"content": "hi", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}, "hm", "hi"),
        # Twice the same, under two names: once.
        ({"content": "hi", "reasoning_content": "hm", "reasoning": "hm"}, "hm", "hi"),
        ({"content": "hi", "reasoning_content": None, "reasoning": "", "thinking": "hm"}, "hm", "hi"),
        ({"content": "hi", "reasoning": 5}, "", "hi"),
        # A refusal in a field of its own.
        ({"content": None, "refusal": "I can't."}, "", "I can't."),
        ({"content": "", "refusal": "I can't.", "reasoning": "hm"}, "hm", "I can't."),
        ({"content": "hi", "refusal": None}, "", "hi"),
    ],
)  # fmt: skip
def test_content_and_reasoning_in_every_form(message: object, thought: str, text: str) -> None:
    found = said(body_of(message))
    assert found is not None
    assert (found.thought, found.text, found.finish) == (thought, text, "stop")


@pytest.mark.parametrize(
    "body",
    [
        "", "<html>", "null", "5", "[]", "{}", '"x"', "NaN", '{"choices": 5}', '{"choices": {}}',
        '{"choices": []}', '{"choices": [5]}', '{"choices": [{}]}', '{"choices": [{"message": null}]}',
        body_of("hi"), body_of(["hi"]), body_of({"content": 5}), body_of({"content": True}),
        '{"error": {"message": "busy"}}', "[" * 200_000, '{"a":' * 200_000,
        '{"choices": [{"message": {"content": ' + "[" * 200_000,
    ],
    ids=lambda body: body[:40],
)  # fmt: skip
def test_a_body_of_another_form_is_no_completion(body: str) -> None:
    assert said(body) is None


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        *[(w, "stop") for w in (None, "", "stop", "eos", "eos_token", "end", "end_turn", "STOP", "stop_sequence", "FINISH_REASON_STOP", "FinishReason.STOP", "COMPLETE")],
        *[(w, "length") for w in ("length", "max_tokens", "MAX_TOKENS", "model_length", "max-tokens", "Max Tokens", "model_context_window_exceeded")],
        *[(w, "error") for w in ("content_filter", "SAFETY", "RECITATION", "error", "abort", "refusal", "tool_calls", "function_call", "guardrail_intervened", "insufficient_system_resource")],
    ],
)  # fmt: skip
def test_servers_words_for_the_end(word: str | None, finish: str) -> None:
    found = said(body_of({"content": "hi"}, word))
    assert found is not None
    # Of what is nobody's whole answer, the text is the reason.
    text = f"ended by {word!r}: hi" if finish == "error" else "hi"
    assert (found.finish, found.unknown, found.text) == (finish, "", text)


def test_reasoning_beside_the_message_is_reasoning() -> None:
    choice = {"message": {"content": "hi"}, "reasoning_content": "hm", "finish_reason": "stop"}
    found = said(json.dumps({"choices": [choice]}))
    assert found is not None and (found.thought, found.text) == ("hm", "hi")


DIED = {"message": "upstream died", "code": 502}


@pytest.mark.parametrize(
    "body",
    [
        body_of({"content": ""}, None, error=DIED),
        body_of({"content": ""}, "stop", error={**DIED, "code": "502"}),
        body_of({"content": None}, "error", error={"message": "upstream died", "status": 502}),
        json.dumps({"choices": [{"message": {"content": ""}, "error": DIED}]}),
        json.dumps([{"error": DIED}]),
        json.dumps({"choices": None, "error": DIED}),
    ],
)
def test_an_error_beside_an_empty_completion_is_no_completion(body: str) -> None:
    assert said(body) is None
    assert (status_in(body), complaint(body)) == (502, "upstream died")


def test_an_error_after_a_part_of_the_text_is_told() -> None:
    choice = {"message": {"content": "hel"}, "finish_reason": "error", "error": DIED}
    found = said(json.dumps({"choices": [choice]}))
    assert found is not None
    assert (found.finish, found.text) == ("error", "ended by 'error': upstream died: hel")
    # Without one, or with an empty one, nothing is wrong.
    for error in (None, "", {}):
        told = said(body_of({"content": "hi"}, error=error))
        assert told is not None and (told.finish, told.text) == ("stop", "hi")
    assert said(body_of({"content": ""}, error=None)) is not None


@pytest.mark.parametrize("word", ["gone", 5, ["stop"], {"type": "x"}, "\ud800"])
def test_an_unknown_end_of_a_text_is_a_stop_and_of_none_an_error(word: object) -> None:
    with_text, without = said(body_of({"content": "hi"}, word)), said(body_of({}, word))
    assert with_text is not None and without is not None
    assert (with_text.finish, with_text.unknown) == ("stop", str(word))
    assert (without.finish, without.text) == ("error", f"ended by {word!r}")


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, text: str) -> None:
        self.sentences.append(text)


def test_an_unknown_end_is_told_once_to_who_watches_the_progress() -> None:
    heard = Heard()
    with FakeServer(lambda body, _: chat("x", finish="\x1bgone")) as server:
        ask = Ask(engine_of(server), progress=heard)
        replies = ask(requests_of("a", "b", "c"), SAMPLING)
    assert {reply.finish for reply in replies} == {"stop"}
    (sentence,) = heard.sentences
    assert "gone" in sentence and "taken for 'stop'" in sentence and "\x1b" not in sentence


@pytest.mark.parametrize(
    "count",
    ["-1", "-5", "4294967296", "1099511627776", "9" * 5000, "1e999", "Infinity", "NaN", '"3"', '"n/a"', "null", "true", "[3]", "2.5", '{"a": 1}'],
)  # fmt: skip
@pytest.mark.parametrize("usage", ['{{"completion_tokens": {}}}', "{}"], ids=["count", "usage"])
def test_a_token_count_that_is_none_counts_as_none(usage: str, count: str) -> None:
    body = f'{{"choices": [{{"message": {{"content": "x"}}}}], "usage": {usage.format(count)}}}'
    found = said(body)
    assert found is not None
    assert (found.text, found.tokens) == ("x", 0)


def test_halves_of_surrogate_pairs_are_replaced_wherever_they_stand() -> None:
    half = "\ud83d"
    message = {"content": f"a{half}b", "reasoning": half}
    answer = Answer(body_of(message, half, id=half, usage={"completion_tokens": 2}))
    with FakeServer(lambda body, _: answer) as server:
        reply = replies_of(engine_of(server), requests_of("a"))["row-a"]
    assert (reply.text, reply.tokens) == ("<think>\ufffd</think>a\ufffdb", 2)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "no\\n\\u001b[31m model"}}', "no [31m model"),
        ('{"error": "busy"}', "busy"),
        ('{"error": {"code": 5}}', '{"error": {"code": 5}}'),
        ("<html>\n<b>502</b>", "<html> <b>502</b>"),
        ('{"error": {"message": "\\ud800x"}}', "x"),
        ("[" * 9000, "[" * 4000),
        ("", ""),
    ],
)
def test_what_a_server_says_is_one_line_that_can_be_shown(body: str, words: str) -> None:
    assert complaint(body) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "type", "thinking", "message", "x"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(JSON, JSON, JSON, JSON)
def test_whatever_stands_in_a_body_is_read_or_no_completion(
    content: object, thought: object, word: object, usage: object
) -> None:
    message = {"content": content, "reasoning_details": thought}
    found = said(body_of(message, word, usage=usage))
    assert complaint(body_of(content, word)).isprintable()
    if found is not None:
        reply = Reply("row", found.thought + found.text, found.finish, found.tokens)
        reply.text.encode()
        assert 0 <= reply.tokens < 2**32
