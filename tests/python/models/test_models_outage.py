"""A server that goes and comes again: waited for, told, and no row is lost by it; one that stays away ends the call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import pytest
from dalign.errors import ServerError
from dalign.models.engines import server as module
from dalign.models.engines.server import ServerEngine
from dalign.models.engines.waits import Awaited
from dalign.models.protocol import Reply, Sampling
from fake_server import Answer, FakeServer, chat, refusal
from served import engine_of, last, replies_of, requests_of, served

OUTAGES = {
    "starts again": refusal(503, "loading"),
    "hangs up": Answer("", hang_up=True),
    "a gateway's page": Answer("<html>bad gateway", 502),
    "never answers": chat("late", delay_s=30.0),
}


class Outage:
    """An answer to the first two requests; then the server is out for so many seconds."""

    def __init__(self, fault: Answer, seconds: float) -> None:
        self.fault, self.seconds, self.came, self.met = fault, seconds, 0, 0
        self.until = float("inf")

    def __call__(self, body: dict[str, object], before: int) -> Answer:
        self.came += 1
        if self.came == 3:
            self.until = time.monotonic() + self.seconds
        if self.came < 3 or time.monotonic() >= self.until:
            return chat("ok")
        self.met += 1
        return self.fault


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_server_that_comes_again_is_waited_for_and_no_row_is_lost(
    fault: Answer, in_flight: int
) -> None:
    outage = Outage(fault, 0.5)
    with FakeServer(outage) as server:
        engine = engine_of(
            server, attempts=2, batch_size=in_flight, retry_s=60.0, timeout_s=0.2, backoff_s=0.02
        )
        replies = replies_of(engine, requests_of(*"abcdefgh"))
    assert {reply.finish for reply in replies.values()} == {"stop"}
    assert outage.met > 1


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
def test_a_server_that_stays_away_ends_the_call_in_the_end(fault: Answer) -> None:
    with FakeServer(Outage(fault, 60.0)) as server:
        engine = engine_of(server, attempts=2, batch_size=3, retry_s=0.5, timeout_s=0.2)
        began = time.monotonic()
        with pytest.raises(ServerError, match=r"answers no request any more .* 0\.5 s .retry_s"):
            replies_of(engine, requests_of(*"abcdefgh"))
    assert time.monotonic() - began < 20.0


def test_a_limit_that_is_never_lifted_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_ASKED_WAIT_S", 0.3)
    with FakeServer(lambda body, _: refusal(429, "slow down")) as server:
        with pytest.raises(ServerError, match="status 429: slow down"):
            replies_of(engine_of(server), requests_of("a", "b"))


def test_a_row_that_alone_is_limited_for_ever_is_an_error_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_ASKED_WAIT_S", 0.3)
    limited = refusal(429, "this one waits")
    with FakeServer(lambda body, _: limited if last(body) == "bad" else chat("x")) as server:
        replies = replies_of(engine_of(server), requests_of("a", "bad", "b"))
    assert {row: reply.finish for row, reply in replies.items()} == {
        "row-a": "stop",
        "row-bad": "error",
        "row-b": "stop",
    }


def test_rows_that_alone_are_limited_hold_nothing_for_as_long_as_a_limit_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The bound of all stays at its ten minutes.
    monkeypatch.setattr(module, "LONGEST_ROW_WAIT_S", 0.3)
    limited, told = refusal(429, "too many tokens a minute"), list[str]()
    with FakeServer(lambda body, _: limited if last(body)[0] == "b" else chat("x")) as server:
        engine = engine_of(server)
        engine.going = lambda rows, tokens, waits: told.append(waits)
        began = time.monotonic()
        replies = replies_of(engine, requests_of("a", "b1", "c", "b2"))
    assert time.monotonic() - began < 60.0
    assert [replies[f"row-{t}"].finish for t in ("a", "b1", "c", "b2")] == ["stop", "error"] * 2
    assert "too many tokens a minute" in replies["row-b1"].text


def test_a_limit_that_meets_others_too_is_no_rows_own() -> None:
    engine = ServerEngine(served("http://127.0.0.1:1/v1"))
    assert engine._is_limited_alone(engine.attempts)
    assert not engine._is_limited_alone(engine.attempts - 1)
    assert not engine._is_limited_alone(1)
    # Another row was just limited for the first time.
    assert not engine._is_limited_alone(engine.attempts)


def test_a_limit_that_holds_from_the_first_request_is_waited_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_ROW_WAIT_S", 0.0)
    met = count()
    with FakeServer(lambda *_: refusal(429, "slow") if next(met) < 14 else chat("x")) as server:
        replies = replies_of(engine_of(server), requests_of("a", "b"))
    assert {reply.finish for reply in replies.values()} == {"stop"}


def test_long_waits_that_one_row_is_asked_for_add_up_to_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_ASKED_WAIT_S", 0.5)
    busy = refusal(503, "busy", Retry_After="0.4")
    with FakeServer(lambda body, _: busy if last(body) == "bad" else chat("x")) as server:
        replies = replies_of(engine_of(server), requests_of("a", "bad"))
        tries = [last(body) for body in server.bodies].count("bad")
    assert replies["row-bad"].finish == "error" and tries < 5


def test_a_server_that_answers_nobody_in_time_is_at_fault() -> None:
    with FakeServer(lambda body, _: chat("late", delay_s=30.0)) as server:
        with pytest.raises(ServerError, match=r"no reply within 0\.2 s.*raise timeout_s"):
            replies_of(engine_of(server, timeout_s=0.2), requests_of("a", "b", "c"))
    # One greeting for all that were late together.
    assert [last(body) for body in server.bodies].count("Hello") == 1


@pytest.mark.parametrize("status", [401, 402, 404, 405, 407])
def test_what_is_refused_of_one_row_is_the_rows(status: int) -> None:
    """As where one of several machines behind an address is set up in another way."""

    def answer(body: dict[str, object], before: int) -> Answer:
        return refusal(status, "not you") if last(body) == "bad" else chat("x")

    with FakeServer(answer) as server:
        replies = replies_of(engine_of(server, batch_size=1), requests_of("a", "bad", "b"))
    finishes = {row: reply.finish for row, reply in replies.items()}
    assert finishes == {"row-a": "stop", "row-bad": "error", "row-b": "stop"}
    assert replies["row-bad"].text == f"status {status}: not you"


def test_who_is_awaited_since_when_is_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("dalign.models.engines.waits.time.monotonic", lambda: now)
    awaited = Awaited("http://h/v1")
    assert awaited.words == ""
    with awaited.one("a"), awaited.one("b"):
        now = 109.0
        assert awaited.words == ""
        now = 110.0
        assert awaited.words == "2 in flight at http://h/v1, no reply since 10 s"
        awaited.answered()
        assert awaited.words == ""
        awaited.waits("a", "status 503: busy")
        now = 150.0
        awaited.waits("b", "status 502: gone")
        awaited.waits("a", "status 502: gone")
        assert awaited.words == "2 wait for http://h/v1 since 40 s (status 502: gone)"
    assert awaited.words == ""


def test_the_wait_is_told_while_it_lasts() -> None:
    heard: list[str] = []
    with FakeServer(Outage(refusal(503, "loading"), 2.5)) as server:
        engine = engine_of(server, attempts=1, batch_size=1, retry_s=60.0, backoff_s=1.2)
        engine.going = lambda rows, tokens, awaited: heard.append(awaited)
        replies_of(engine, requests_of(*"abcd"))
    assert any("wait for http://" in words and "503: loading" in words for words in heard), heard


class Swapped:
    """A server that is away after two answers, and then serves another model under the same name, or the same one."""

    def __init__(self, root: str) -> None:
        self.root, self.came = root, 0
        self.server: FakeServer | None = None

    def __call__(self, body: dict[str, object], before: int) -> Answer:
        self.came += 1
        if self.came == 3 and self.server is not None:
            self.server.models = [{"id": "m", "root": self.root}]
            return Answer("", hang_up=True)
        return chat("ok")


def gather(stream: Iterator[list[Reply]], ids: list[str]) -> None:
    """Appends the id of each reply as it comes: two that come at once are one list."""
    for replies in stream:
        ids += [reply.id for reply in replies]


def test_another_model_after_an_outage_is_noticed_before_a_reply_of_it_is_taken() -> None:
    swapped = Swapped("b")
    with FakeServer(swapped, [{"id": "m", "root": "a"}]) as swapped.server:
        stream = engine_of(swapped.server, batch_size=1).stream(
            requests_of(*"abcdefgh"), Sampling(1.0, 9)
        )
        came: list[str] = []
        with pytest.raises(ServerError, match=r'now serves another model .root: "a" → "b"'):
            gather(stream, came)
        # Which rows were in hand then is nobody's affair; none came of the other model.
        assert len(came) == 2 and came[0] == "row-a"


def test_the_same_model_after_an_outage_goes_on() -> None:
    swapped = Swapped("a")
    with FakeServer(swapped, [{"id": "m", "root": "a"}]) as swapped.server:
        replies = replies_of(engine_of(swapped.server, batch_size=3), requests_of(*"abcdefgh"))
    assert {reply.finish for reply in replies.values()} == {"stop"}
