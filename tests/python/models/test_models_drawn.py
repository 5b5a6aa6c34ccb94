"""The tokens of a reply and their log-probabilities, from the local engine and from servers in their forms."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dalign.models.engines.cached import CachedEngine
from dalign.models.engines.chat_completion import said
from dalign.models.engines.conversation import CHAT, Written
from dalign.models.engines.parameters import body_of
from dalign.models.protocol import Drawn, Reply, Request, Sampling
from dalign.store.cache import Cache
from fake_server import Answer, FakeServer, refusal
from served import engine_of, replies_of, requests_of, served

TELLING = Sampling(0.7, 9, tells_tokens=True)
CONTENT = [{"token": "a", "logprob": -0.5, "id": 7}, {"token": "b", "logprob": -1.25, "id": 8}]
PLAIN = {"tokens": ["a", "b"], "token_logprobs": [-0.5, -1.25], "text_offset": [0, 1]}
BOTH = Drawn((7, 8), (-0.5, -1.25))


def choice(**beside: Any) -> dict[str, Any]:
    return {"message": {"content": "ab"}, "finish_reason": "stop", **beside}


@pytest.mark.parametrize(
    ("beside", "drawn"),
    [
        ({}, Drawn()),
        ({"logprobs": None, "token_ids": None}, Drawn()),
        ({"logprobs": {"content": CONTENT}}, BOTH),
        ({"logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1.25}]}}, Drawn((), BOTH.logprobs)),
        ({"logprobs": {"content": [{"logprob": -0.5}]}, "token_ids": [7]}, Drawn((7,), (-0.5,))),
        ({"logprobs": PLAIN, "token_ids": [7, 8]}, BOTH),
        ({"token_ids": [7, 8]}, Drawn((7, 8), ())),
        # Of two lengths, nobody could say which belongs to which.
        ({"logprobs": {"content": [{"logprob": -0.5}]}, "token_ids": [7, 8]}, Drawn()),
        # Rounding leaves a sure token above 0.
        ({"logprobs": {"content": [{"logprob": 1e-7}]}}, Drawn((), (0.0,))),
        # What is not as it should be is not told, and the reply stands.
        *[({"token_ids": bad}, Drawn()) for bad in ("78", [7, "8"], [7, -1], [7.5], [True], [2**40], {"7": 8}, [10**40])],
        *[({"logprobs": bad}, Drawn()) for bad in ("x", [1], {"content": 5}, {"content": [5]}, {"content": [{}]}, {"token_logprobs": [None]})],
        *[({"logprobs": {"token_logprobs": [-0.5, bad]}}, Drawn()) for bad in (1.0, float("nan"), float("-inf"), "x", None, True)],
    ],
)  # fmt: skip
def test_tokens_are_read_in_the_forms_of_servers(beside: dict[str, Any], drawn: Drawn) -> None:
    found = said(json.dumps({"choices": [choice(**beside)]}))
    assert found is not None and (found.text, found.drawn) == ("ab", drawn)


def test_a_server_is_asked_for_tokens_where_they_are_wanted_and_for_each_of_several() -> None:
    names = {"logprobs", "return_token_ids"}
    request, model = requests_of("a")[0], served("http://127.0.0.1:9/v1")
    for form, asked in ((CHAT, True), (Written(None, ()), 0)):  # type: ignore[arg-type]
        body = body_of(model, request, TELLING, {}, form.telling)
        assert (body["logprobs"], body["return_token_ids"]) == (asked, True)
        assert not names & body_of(model, request, Sampling(0.7, 9), {}, form.telling).keys()

    told = {"choices": [choice(token_ids=[7]), choice(token_ids=[8, 9])]}
    several = Request("a", request.messages, 0, ("b",))
    with FakeServer(lambda body, _: Answer(told)) as server:
        reply = replies_of(engine_of(server), [several], sampling=TELLING)["a"]
    assert [each.drawn.ids for each in (reply, *reply.others)] == [(7,), (8, 9)]


@pytest.mark.parametrize("refused", [{"return_token_ids"}, {"logprobs", "return_token_ids"}, set()])
def test_a_server_that_tells_none_answers_and_it_is_said_once(refused: set[str]) -> None:
    def answer(body: dict[str, Any], _: int) -> Answer:
        if wrong := sorted(refused & body.keys()):
            return refusal(400, f"unknown parameter: {wrong[0]}")
        told = {"logprobs": {"content": CONTENT}} if refused and "logprobs" in body else {}
        return Answer({"choices": [choice(**told)]})

    words: list[str] = []
    with FakeServer(answer) as server:
        engine = engine_of(server)
        engine.say = words.append
        replies = replies_of(engine, requests_of("a", "b", "c"), sampling=TELLING)
    assert {reply.text for reply in replies.values()} == {"ab"}
    tells = refused == {"return_token_ids"}
    assert {reply.drawn for reply in replies.values()} == {BOTH if tells else Drawn()}
    assert words == [] if tells else words == ["the server tells no tokens of its replies"]


def test_what_a_cache_holds_is_asked_again_where_tokens_are_wanted(tmp_path: Path) -> None:
    told = {"choices": [choice(logprobs={"content": CONTENT})]}
    with (
        FakeServer(lambda body, _: Answer(told)) as server,
        closing(Cache(tmp_path / "c")) as cache,
    ):
        engine = CachedEngine(engine_of(server), cache)
        requests = requests_of("a")
        for sampling in (Sampling(0.7, 9), TELLING, TELLING):
            [[reply]] = list(engine.stream(requests, sampling))
        assert len(server.bodies) == 3 and reply.drawn == BOTH
        # They are no part of what determines a reply.
        [[reply]] = list(engine.stream(requests, Sampling(0.7, 9)))
        assert len(server.bodies) == 3 and reply == Reply("row-a", "ab", "stop", 0)
