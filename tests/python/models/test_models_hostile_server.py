"""Servers that fail, flood, refuse, redirect or lie: one request's fault is its row's, a server's ends the call."""

from __future__ import annotations

import gzip
import json

import pytest
from dalign.errors import ServerError
from dalign.models.engines import server as module
from dalign.models.protocol import Sampling
from fake_server import Answer, FakeServer, chat, refusal
from served import engine_of, last, replies_of, requests_of

OK = json.dumps({"choices": [{"message": {"content": "x"}}]}).encode()

# What one request gets, and what its row's text tells of it.
FAULTS = [
    ("400", refusal(400, "The prompt was filtered."), "status 400: The prompt was filtered."),
    ("403", refusal(403, "flagged"), "status 403: flagged"),
    ("413", refusal(413, "too large"), "status 413: too large"),
    ("422", refusal(422, "no"), "status 422: no"),
    ("418 without a text", Answer("", 418), "status 418: no text"),
    ("500", refusal(500, "oops"), "status 500: oops"),
    ("a page", Answer("<html>\n502", 502), "status 502: <html> 502"),
    ("a page as an answer", Answer("<html>"), "not a chat completion: <html>"),
    ("no choices", Answer({"choices": []}), "not a chat completion"),
    ("nested", Answer("[" * 200_000), "not a chat completion: [[["),
    ("nested refusal", Answer('{"error":' * 200_000, 400), "status 400: {"),
    ("hung up", Answer("", hang_up=True), "disconnected"),
    ("broken gzip", Answer(b"no gzip", headers={"Content-Encoding": "gzip"}), ""),
    ("cut gzip", Answer(gzip.compress(OK)[:20], headers={"Content-Encoding": "gzip"}), ""),
    ("no JSON in it", Answer(b"\xff\xfe\x00", headers={"Content-Type": "text/x; charset=rot13"}), "not a chat completion"),
    ("half a character", refusal(400, "no \ud800 model \x00 here"), "status 400: no model here"),
    ("204", Answer("", 204), "not a chat completion"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "told"), [f[1:] for f in FAULTS], ids=[name for name, *_ in FAULTS]
)
def test_one_bad_request_is_an_error_reply_with_its_reason(fault: Answer, told: str) -> None:
    with FakeServer(lambda body, _: fault if last(body) == "bad" else chat("ok")) as server:
        engine = engine_of(server, attempts=2, batch_size=1)
        replies = replies_of(engine, requests_of("bad", "a", "b"))
    assert {row: reply.finish for row, reply in replies.items()} == {
        "row-bad": "error",
        "row-a": "stop",
        "row-b": "stop",
    }
    assert told in replies["row-bad"].text and replies["row-bad"].text.isprintable()


@pytest.mark.parametrize("fault", [f[1] for f in FAULTS], ids=[name for name, *_ in FAULTS])
def test_a_server_that_does_so_to_all_is_at_fault(fault: Answer) -> None:
    with FakeServer(lambda body, _: fault) as server:
        with pytest.raises(ServerError) as caught:
            replies_of(engine_of(server, attempts=2), requests_of("a", "b"))
    assert str(caught.value).isprintable() and server.base_url in str(caught.value)


def test_a_server_that_is_lost_on_the_way_ends_the_call_and_keeps_what_came() -> None:
    def answer(body: dict[str, object], before: int) -> Answer:
        return chat("ok") if last(body) == "a" else refusal(500, "out of memory")

    with FakeServer(answer) as server:
        stream = engine_of(server, attempts=2, batch_size=1).stream(
            requests_of("a", "b"), Sampling(1.0, 9)
        )
        assert [reply.id for reply in next(stream)] == ["row-a"]
        with pytest.raises(ServerError, match=r"answers no request any more .status 500: out of"):
            next(stream)


def test_a_key_that_is_refused_on_the_way_ends_the_call() -> None:
    with FakeServer(
        lambda body, _: chat("x") if last(body) == "a" else refusal(401, "expired")
    ) as server:
        with pytest.raises(ServerError, match="status 401: expired"):
            replies_of(engine_of(server, batch_size=1), requests_of("a", "b"))


def test_refusals_of_all_but_the_greeting_are_the_servers_in_the_end() -> None:
    """As where the policy is longer than the context."""
    with FakeServer(
        lambda body, _: chat("x") if last(body) == "Hello" else refusal(400, "too long")
    ) as server:
        with pytest.raises(ServerError, match="status 400: too long"):
            replies_of(engine_of(server, batch_size=1), requests_of(*map(str, range(40))))
    # One greeting tells of all refusals of a moment; another row may be on its way then.
    assert [last(body) for body in server.bodies].count("Hello") == 1
    assert len(server.bodies) <= module.MOST_REFUSED + 1 + module.HANDS


@pytest.mark.parametrize("compressed", [False, True])
def test_a_flood_is_cut_and_is_the_rows_fault(
    monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2**20)
    if compressed:
        packed = gzip.compress(OK[:-1] + b" " * 2**26 + OK[-1:])
        flood = Answer(packed, headers={"Content-Encoding": "gzip"})
    else:
        flood = Answer(b" " * 2**16, endless=True)
    with FakeServer(lambda body, _: flood if last(body) == "bad" else chat("ok")) as server:
        replies = replies_of(engine_of(server, batch_size=1), requests_of("bad", "a"))
        assert sum(last(body) == "bad" for body in server.bodies) == 1
    assert replies["row-bad"].finish == "error"
    assert replies["row-bad"].text == "a response of more than 1 MiB"
    assert replies["row-a"].text == "ok"
    # What the network holds beside what was read.
    assert server.flooded < 2**25


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_redirect_is_refused_and_nothing_goes_there(status: int, elsewhere: bool) -> None:
    with FakeServer(lambda body, _: chat("a stranger's")) as stranger:
        place = f"{stranger.base_url}/chat/completions" if elsewhere else "/v1/chat/completions"
        # A body that would pass for an answer.
        fault = Answer(OK, status, headers={"Location": place})
        with FakeServer(lambda body, _: fault) as server:
            with pytest.raises(
                ServerError, match=rf"redirects to {place} .status {status}.*base_url"
            ):
                replies_of(engine_of(server), requests_of("a", "b"))
    assert stranger.bodies == []


@pytest.mark.parametrize("headers", [{}, {"Location": ""}, {"Location": "http://x/\u202e\x9b"}])
def test_a_redirect_to_nowhere_is_a_sentence(headers: dict[str, str]) -> None:
    with FakeServer(lambda body, _: Answer("", 302, headers=headers)) as server:
        with pytest.raises(ServerError, match="redirects to") as caught:
            replies_of(engine_of(server), requests_of("a"))
    assert str(caught.value).isprintable()


def refusing(*names: str, said: str) -> FakeServer:
    """A server that refuses requests with all of these parameters."""

    def answer(body: dict[str, object], before: int) -> Answer:
        return refusal(400, said) if all(name in body for name in names) else chat("ok")

    return FakeServer(answer)


def test_a_parameter_goes_by_its_other_name_where_the_server_asks_for_it() -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."
    with refusing("max_tokens", said=said) as server:
        engine = engine_of(server, batch_size=1)
        replies = replies_of(engine, requests_of("a", "b"))
        replies |= replies_of(engine, requests_of("c"))
    assert {reply.text for reply in replies.values()} == {"ok"}
    # Found out once.
    assert [b.get("max_completion_tokens") for b in server.bodies] == [None, 9, 9, 9]


def test_a_name_that_does_not_help_is_not_kept() -> None:
    def answer(body: dict[str, object], before: int) -> Answer:
        return refusal(400, "max_tokens is over 8192") if last(body) == "bad" else chat("ok")

    with FakeServer(answer) as server:
        replies = replies_of(engine_of(server, batch_size=1), requests_of("bad", "a"))
    assert replies["row-bad"].finish == "error" and replies["row-a"].text == "ok"
    assert "max_tokens" in server.bodies[-1]


def test_a_drawing_at_its_default_is_left_out_where_the_server_refuses_it() -> None:
    with refusing("temperature", "top_p", said="temperature and top_p: one of them") as server:
        engine = engine_of(server)
        assert replies_of(engine, requests_of("a"), sampling=Sampling(0.7, 9))["row-a"].text == "ok"
        assert server.bodies[-1]["temperature"] == 0.7 and "top_p" not in server.bodies[-1]
        # Another stage's own drawing is sent, and its refusal told.
        with pytest.raises(ServerError, match="one of them"):
            replies_of(engine, requests_of("b"), sampling=Sampling(0.7, 9, 0.9))


def test_a_drawing_of_its_own_is_never_left_out() -> None:
    with refusing("temperature", said="temperature 0.7: only the default (1) is there") as server:
        with pytest.raises(ServerError, match="only the default"):
            replies_of(engine_of(server), requests_of("a"), sampling=Sampling(0.7, 9))
        assert replies_of(engine_of(server), requests_of("a"), sampling=Sampling(1.0, 9))


def test_a_server_without_seeds_is_told_once() -> None:
    told: list[str] = []
    with refusing("seed", said="extra fields not permitted: seed") as server:
        engine = engine_of(server)
        engine.say = told.append
        assert len(replies_of(engine, requests_of("a", "b"))) == 2
    assert len(told) == 1 and "takes no seed" in told[0]
