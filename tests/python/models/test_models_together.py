"""Completions of one prompt in one request, from servers that give all of them, fewer, or refuse."""

from __future__ import annotations

import pytest
from dalign import config
from dalign.models.engines.openai import KIND
from dalign.models.engines.together import TogetherEngine, apart
from dalign.models.protocol import Machine, Reply, Request
from fake_server import Answer, FakeServer, refusal
from served import SAMPLING, last, replies_of, served


def of_prompts(prompts: int, each: int) -> list[Request]:
    return [
        Request(f"{p}-{n}", ({"role": "user", "content": f"prompt {p}"},), seed=10 * p + n)
        for p in range(prompts)
        for n in range(each)
    ]


def choices(count: int, said: str, tokens: int = 0) -> Answer:
    made = [
        {"index": i, "message": {"content": f"{said}, {i}"}, "finish_reason": "stop"}
        for i in range(count)
    ]
    return Answer({"choices": made, "usage": {"completion_tokens": tokens, "prompt_tokens": 9}})


def opened(server: FakeServer, **settings: object):
    model = served(server.base_url, samples_at_once=True, token_s=0.0, **settings)
    return TogetherEngine(KIND.open(model, Machine()))


class Asked:
    """Gives so many choices at most, and keeps what it was asked."""

    def __init__(self, most: int) -> None:
        self.most, self.bodies = most, list[dict]()

    def __call__(self, body, _attempt):
        self.bodies.append(body)
        return choices(min(self.most, body.get("n", 1)), f"to {last(body)}", tokens=12)

    @property
    def wanted(self) -> list[int]:
        return [body.get("n", 1) for body in self.bodies]


def test_each_prompt_is_sent_once_and_each_row_gets_a_choice_of_its_own() -> None:
    asked = Asked(9)
    with FakeServer(asked) as server:
        replies = replies_of(opened(server), of_prompts(3, 4))
    assert asked.wanted == [4, 4, 4]
    assert {body["seed"] for body in asked.bodies} == {0, 10, 20}
    assert {row: reply.text for row, reply in replies.items()} == {
        f"{p}-{n}": f"to prompt {p}, {n}" for p in range(3) for n in range(4)
    }
    # What the server counts for all of a request is shared out.
    assert sum(reply.tokens for reply in replies.values()) == 36
    assert all(reply.tokens > 0 for reply in replies.values())
    assert sum(reply.read for reply in replies.values()) == 27


@pytest.mark.parametrize("most", [1, 3])
def test_what_a_server_leaves_out_is_asked_for_one_by_one(most: int) -> None:
    asked, said = Asked(most), list[str]()
    with FakeServer(asked) as server:
        engine = opened(server)
        engine.say = said.append
        replies = replies_of(engine, of_prompts(2, 4))
        replies_of(engine, of_prompts(1, 4))
    assert len(replies) == 8 and all(reply.finish == "stop" for reply in replies.values())
    # One that gives but one is not asked for several again.
    assert asked.wanted.count(4) == (1 if most == 1 else 3)
    # A row that is asked for alone is drawn by its own seed.
    alone = {body["seed"] for body in asked.bodies if body.get("n", 1) == 1}
    assert alone >= {*range(most, 4), *(10 + n for n in range(most, 4))}
    assert [sentence for sentence in said if "samples_at_once" in sentence] == [
        "the server does not give all completions of a request (samples_at_once): the others are asked for one by one"
    ]


def test_a_server_that_refuses_the_parameter_is_asked_without_it() -> None:
    def answer(body, _attempt):
        return refusal(400, "n is not supported") if "n" in body else choices(1, last(body))

    with FakeServer(answer) as server:
        replies = replies_of(opened(server), of_prompts(2, 3))
    assert {reply.text for reply in replies.values()} == {"prompt 0, 0", "prompt 1, 0"}
    assert len(replies) == 6


def test_a_prompt_without_a_reply_has_none_for_each_of_its_rows() -> None:
    def answer(body, _attempt):
        return refusal(400, "no") if last(body) == "prompt 1" else choices(body.get("n", 1), "yes")

    with FakeServer(answer) as server:
        replies = replies_of(opened(server), of_prompts(2, 3))
    assert {row: reply.finish for row, reply in replies.items()} == {
        **{f"0-{n}": "stop" for n in range(3)},
        **{f"1-{n}": "error" for n in range(3)},
    }


def test_of_a_prompt_that_is_partly_done_the_others_are_as_they_would_have_been() -> None:
    asked = Asked(9)
    with FakeServer(asked) as server:
        whole = replies_of(opened(server), of_prompts(3, 3))
        rest = replies_of(opened(server), of_prompts(3, 3), frozenset({"0-0", "0-1", "0-2", "1-1"}))
    assert rest == {row: whole[row] for row in ("1-0", "1-2", "2-0", "2-1", "2-2")}
    assert asked.wanted == [3] * 5


def one(content: str | None, finish: str = "stop", **fields: object) -> dict:
    return {"message": {"content": content}, "finish_reason": finish, **fields}


@pytest.mark.parametrize(
    "bad", [one(None, "content_filter"), one(None, ""), one(None, error={"message": "no"})]
)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_one_bad_choice_is_one_bad_reply(bad: dict, place: int) -> None:
    def answer(body, _attempt):
        if "n" not in body:
            return choices(1, "alone")
        made = [one(f"good {i}") for i in range(4)]
        made[place] = bad
        return Answer({"choices": made, "usage": {"completion_tokens": 30, "prompt_tokens": 9}})

    with FakeServer(answer) as server:
        replies = replies_of(opened(server), of_prompts(2, 4))
    assert len(replies) == 8
    for p in range(2):
        texts = [replies[f"{p}-{n}"].text for n in range(4)]
        assert sum(text.startswith("good") for text in texts) == 3, texts


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_that_refuses_several_in_other_words_is_asked_one_by_one(status: int) -> None:
    asked = []

    def answer(body, _attempt):
        asked.append(body.get("n", 1))
        if body.get("n", 1) > 1:
            return refusal(status, "only a single completion is supported")
        return choices(1, last(body))

    with FakeServer(answer) as server:
        engine = opened(server)
        replies = replies_of(engine, of_prompts(60, 2))
        again = len(asked)
        replies_of(engine, of_prompts(3, 2))
    assert len(replies) == 120 and {reply.finish for reply in replies.values()} == {"stop"}
    # It was tried with one prompt, and never again.
    assert set(asked[again:]) == {1}
    assert asked.count(2) <= 10


def test_requests_that_differ_are_sent_apart() -> None:
    asked = Asked(9)
    with FakeServer(asked) as server:
        replies_of(opened(server), of_prompts(5, 1))
    assert "n" not in asked.bodies[0] and len(asked.bodies) == 5


def test_several_servers_share_prompts(  # each request goes to one of them as a whole
) -> None:
    first, second = Asked(9), Asked(9)
    with FakeServer(first) as one, FakeServer(second) as two:
        replies = replies_of(opened(one, endpoints={two.base_url: 1.0}), of_prompts(8, 2))
    assert len(replies) == 16
    assert set(first.wanted) | set(second.wanted) == {2}


def test_drawn_together_replies_are_others_than_drawn_apart() -> None:
    model = served("http://127.0.0.1:1/v1")
    together = model.model_copy(update={"samples_at_once": True})
    assert KIND.fingerprint_of(model) != KIND.fingerprint_of(together)


def test_tokens_are_shared_by_length_and_none_is_lost() -> None:
    others = (Reply("b", "x" * 30, "stop", 0), Reply("c", "", "stop", 0))
    made = apart([Reply("a", "x" * 10, "stop", 100, 7), *others], 100)
    assert (made.tokens, made.read) == (26, 7)
    assert [(each.id, each.tokens, each.read) for each in made.others] == [
        ("b", 72, 0),
        ("c", 2, 0),
    ]


def test_an_engine_of_this_process_is_asked_as_ever() -> None:
    with pytest.raises(ValueError, match="samples_at_once is for engines 'openai' and 'vllm'"):
        config.Model(path="m", samples_at_once=True)


@pytest.mark.parametrize(("tokens", "late"), [(0, True), (100, False)])
def test_a_request_may_take_as_long_as_its_tokens_need(tokens: int, late: bool) -> None:
    def answer(body, _attempt):
        return Answer(choices(1, last(body)).body, delay_s=0.6 if last(body) == "prompt 0" else 0.0)

    with FakeServer(answer) as server:
        model = served(server.base_url, timeout_s=0.2, token_s=0.01)
        sampling = SAMPLING.__class__(1.0, max(1, tokens))
        replies = replies_of(KIND.open(model, Machine()), of_prompts(2, 1), sampling=sampling)
    assert replies["0-0"].finish == ("timeout" if late else "stop")
