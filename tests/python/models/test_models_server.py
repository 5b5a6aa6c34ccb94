"""The server engine against a server on loopback."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from dalign import config
from dalign.errors import ServerError
from dalign.models.engines.server import ServerEngine
from dalign.models.protocol import Reply
from dalign.pipeline.engines import open_engine
from fake_server import Answer, FakeServer, chat, refusal
from served import SAMPLING, engine_of, last, replies_of, requests_of, served


def test_a_request_carries_messages_sampling_and_seed() -> None:
    with FakeServer(lambda body, _: chat("hello")) as server:
        replies = replies_of(engine_of(server), requests_of("a", "b"))
    assert replies["row-a"] == Reply("row-a", "hello", "stop", 3)
    body = next(b for b in server.bodies if last(b) == "b")
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "b"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 9,
        "seed": 1,
    }


def test_what_is_done_is_not_asked_for_again() -> None:
    with FakeServer(lambda body, _: chat(last(body))) as server:
        replies = replies_of(
            engine_of(server), requests_of("a", "b", "c"), frozenset({"row-a", "row-c"})
        )
    assert set(replies) == {"row-b"}
    assert [last(body) for body in server.bodies] == ["b"]


def test_nothing_to_do_asks_nothing() -> None:
    assert list(ServerEngine(served("http://127.0.0.1:1/v1")).stream([], SAMPLING)) == []


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_as_the_concurrency_are_in_flight(concurrency: int) -> None:
    held = replace(chat("x", delay_s=0.01), until_in_flight=concurrency)
    with FakeServer(lambda body, _: held) as server:
        replies_of(engine_of(server, batch_size=concurrency), requests_of(*map(str, range(10))))
    assert server.most_in_flight == concurrency
    assert len(server.bodies) == 10


@pytest.mark.parametrize(
    ("answer", "text", "finish"),
    [
        (chat("hi", reasoning_content="hm"), "<think>hm</think>hi", "stop"),
        (chat("hi", reasoning="hm"), "<think>hm</think>hi", "stop"),
        (chat("hi", finish="length", reasoning_content="hm"), "<think>hm</think>hi", "length"),
        # Cut off within the reasoning: it must not look finished.
        (chat(None, finish="length", reasoning_content="hm"), "<think>hm", "length"),
        (chat(None, reasoning_content="hm"), "<think>hm</think>", "stop"),
        # A tag that the reasoning quotes neither opens nor closes it.
        (chat(None, finish="length", reasoning_content="a </think> Score: 9"), "<think>a <\u200b/think> Score: 9", "length"),
        (chat("hi", reasoning_content="<think> b"), "<think><\u200bthink> b</think>hi", "stop"),
        (chat("<think>a</think>b"), "<think>a</think>b", "stop"),
        (chat(None), "", "stop"),
        (chat("x", finish="content_filter"), "ended by 'content_filter': x", "error"),
    ],
)  # fmt: skip
def test_reasoning_sent_apart_is_put_back_in_front(answer: Answer, text: str, finish: str) -> None:
    with FakeServer(lambda body, _: answer) as server:
        reply = replies_of(engine_of(server), requests_of("a"))["row-a"]
    assert (reply.text, reply.finish) == (text, finish)


@pytest.mark.parametrize("end", ["<|im_end|>", "<|return|>", "</s>\n", "<｜end▁of▁sentence｜>", "<end_of_turn><eos>"])  # fmt: skip
def test_an_end_token_that_leaks_into_a_whole_reply_is_no_part_of_it(end: str) -> None:
    with FakeServer(lambda body, _: chat(f"<think>a {end} b</think>hi{end}")) as server:
        assert replies_of(engine_of(server), requests_of("a"))["row-a"].text == f"<think>a {end} b</think>hi"  # fmt: skip
    with FakeServer(lambda body, _: chat(f"hi{end}", finish="length")) as server:
        assert replies_of(engine_of(server), requests_of("a"))["row-a"].text == f"hi{end}"


def test_reasoning_sent_apart_is_put_between_the_tags_of_its_form() -> None:
    with FakeServer(lambda body, _: chat("hi", reasoning="hm")) as server:
        engine = engine_of(server, reasoning=config.Reasoning(kind="harmony"))
        text = replies_of(engine, requests_of("a"))["row-a"].text
    assert text == "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>hi"  # fmt: skip


def test_without_tags_the_reasoning_is_left_out() -> None:
    with FakeServer(lambda body, _: chat("hi", reasoning="hm")) as server:
        engine = engine_of(server, reasoning=config.Reasoning(kind="none"))
        assert replies_of(engine, requests_of("a"))["row-a"].text == "hi"


def test_rate_limits_cost_no_attempt() -> None:
    def answer(body: dict[str, object], before: int) -> Answer:
        return chat("ok") if before == 7 else refusal(429, "slow down", Retry_After="0.001")

    with FakeServer(answer) as server:
        assert replies_of(engine_of(server, attempts=2), requests_of("a"))["row-a"].text == "ok"
    assert len(server.bodies) == 8


def test_a_spent_quota_is_not_waited_for() -> None:
    with FakeServer(lambda body, _: refusal(429, "insufficient_quota: pay")) as server:
        with pytest.raises(ServerError, match="status 429: insufficient_quota: pay"):
            replies_of(engine_of(server), requests_of("a"))


@pytest.mark.parametrize(
    "failure",
    [
        refusal(500, "oops"),
        refusal(503, "busy", Retry_After="0"),
        Answer("<html>", 200),
        Answer("", hang_up=True),
    ],
    ids=["500", "503", "no completion", "hung up"],
)
def test_failures_are_tried_again(failure: Answer) -> None:
    with FakeServer(lambda body, before: chat("ok") if before == 2 else failure) as server:
        assert replies_of(engine_of(server, attempts=3), requests_of("a"))["row-a"].text == "ok"


def test_a_request_that_fails_alone_is_an_error_reply() -> None:
    def answer(body: dict[str, object], before: int) -> Answer:
        return refusal(500, "oops") if last(body) == "bad" else chat("ok")

    with FakeServer(answer) as server:
        replies = replies_of(
            engine_of(server, attempts=2, batch_size=1), requests_of("a", "bad", "b")
        )
    assert {row: reply.finish for row, reply in replies.items()} == {
        "row-a": "stop",
        "row-bad": "error",
        "row-b": "stop",
    }
    assert replies["row-bad"].text == "status 500: oops"


def test_the_only_request_left_fails_alone_where_a_greeting_is_answered() -> None:
    """As where each part has one request, or a run that goes on has no other one left."""
    with FakeServer(
        lambda body, _: refusal(503, "no") if last(body) == "bad" else chat("x")
    ) as server:
        engine = engine_of(server, attempts=2)
        replies = replies_of(engine, requests_of("a", "bad"), frozenset({"row-a"}))
    assert {row: reply.finish for row, reply in replies.items()} == {"row-bad": "error"}
    # Sent once more after the greeting: before it, the server may have been away.
    assert [last(body) for body in server.bodies] == ["bad", "bad", "Hello", "bad"]


def test_a_server_that_fails_from_the_start_ends_the_call() -> None:
    with FakeServer(lambda body, _: refusal(500, "out of memory")) as server:
        with pytest.raises(
            ServerError, match=r"answered no request .status 500: out of memory; 2 attempts"
        ):
            replies_of(engine_of(server, attempts=2), requests_of("a", "b"))


def test_a_refused_request_names_address_status_and_the_servers_words() -> None:
    with FakeServer(lambda body, _: refusal(404, "no model\nnamed \x1b[31mm")) as server:
        with pytest.raises(ServerError) as caught:
            replies_of(engine_of(server), requests_of("a"))
    expected = f"{server.base_url}/chat/completions refused request row-a with status 404: no model named [31mm"
    assert str(caught.value) == expected
    assert len(server.bodies) == 1


def test_an_unreachable_server_is_named_in_one_sentence() -> None:
    with socket.socket() as taken:
        # Bound but not listening: connections are refused.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        engine = ServerEngine(served(url), attempts=2, backoff_s=0.001)
        with pytest.raises(
            ServerError,
            match=rf"no server answers at {url}/chat/completions .*2 attempts.*base_url",
        ) as caught:
            list(engine.stream(requests_of("a"), SAMPLING))
    assert "\n" not in str(caught.value)


def test_a_request_over_its_deadline_is_a_timeout_reply() -> None:
    with FakeServer(
        lambda body, _: chat("late", delay_s=30.0 if last(body) == "slow" else 0.0)
    ) as server:
        replies = replies_of(engine_of(server, timeout_s=0.5), requests_of("slow", "b"))
    assert replies["row-slow"] == Reply("row-slow", "", "timeout", 0)
    assert replies["row-b"].text == "late"


def test_replies_come_as_they_finish() -> None:
    with FakeServer(
        lambda body, _: chat("x", delay_s=30.0 if last(body) == "slow" else 0.0)
    ) as server:
        stream = engine_of(server, timeout_s=60.0).stream(requests_of("slow", "b"), SAMPLING)
        assert [reply.id for reply in next(stream)] == ["row-b"]
        # Leaving cancels what is in flight.
        stream.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "dalign-requests"]


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FakeServer(lambda body, _: chat("x")) as server:
        list(open_engine(served(server.base_url), threads=1).stream(requests_of("a"), SAMPLING))
    assert "Authorization" not in server.headers[0]
