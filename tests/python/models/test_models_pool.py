"""Several servers of one model: shares by weight, and what one cannot finish the others do."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from dalign.config import Model
from dalign.errors import ServerError
from dalign.models.engines import pool as module
from dalign.models.engines.open import kind_of
from dalign.models.engines.pool import PoolEngine, members_of
from dalign.models.protocol import Machine, Reply, Sampling
from fake_server import Answer, FakeServer, chat, refusal
from test_models_server import last, requests_of

SAMPLING = Sampling(1.0, 9)


def pool_of(
    *servers: FakeServer, weights: tuple[float, ...] = (1.0, 1.0), **settings: object
) -> PoolEngine:
    """The first is base_url's, whose weight is 1."""
    first, *others = (server.base_url for server in servers)
    endpoints = dict(zip(others, weights, strict=False))
    model = Model(path="m", engine="openai", base_url=first, endpoints=endpoints, **settings)  # type: ignore[arg-type]
    return PoolEngine(model, attempts=2, backoff_s=0.01)


def replies_of(pool: PoolEngine, count: int) -> list[Reply]:
    requests = requests_of(*map(str, range(count)))
    replies = [reply for batch in pool.stream(requests, SAMPLING) for reply in batch]
    assert sorted(Counter(reply.id for reply in replies).items()) == sorted(
        (r.id, 1) for r in requests
    )
    return replies


def slow(body: dict[str, object], before: int) -> Answer:
    return chat("x", delay_s=0.02)


def test_a_config_with_several_addresses_opens_a_pool() -> None:
    model = Model(
        path="m",
        engine="openai",
        base_url="http://a:1/v1",
        endpoints={"http://b:1/v1": 3},
        batch_size=128,
    )
    pool = kind_of(model).open(model, Machine())
    assert isinstance(pool, PoolEngine) and pool.fingerprint == kind_of(model).fingerprint_of(model)
    assert [(m.base_url, m.batch_size) for m in members_of(model)] == [
        ("http://a:1/v1", 32),
        ("http://b:1/v1", 96),
    ]


def test_each_server_has_in_flight_what_its_weight_says() -> None:
    with FakeServer(slow) as one, FakeServer(slow) as three:
        replies_of(pool_of(one, three, weights=(3.0,), batch_size=8), 120)
    assert one.most_in_flight <= 2 and three.most_in_flight <= 6
    assert len(one.bodies) + len(three.bodies) == 120 and len(three.bodies) > 1.5 * len(one.bodies)


@pytest.mark.parametrize(
    "fault",
    [Answer("", hang_up=True), refusal(500, "out of memory"), refusal(401, "no key")],
    ids=["gone", "broken", "refuses"],
)
def test_what_one_server_cannot_finish_the_others_do(fault: Answer) -> None:
    def dies(body: dict[str, object], before: int) -> Answer:
        return slow(body, before) if len(dying.bodies) <= 10 else fault

    said: list[str] = []
    with FakeServer(dies) as dying, FakeServer(slow) as well:
        pool = pool_of(dying, well, batch_size=8)
        pool.say = said.append
        replies = replies_of(pool, 100)
    assert {reply.finish for reply in replies} == {"stop"}
    if fault.status != 401:
        assert sum("its requests go to the other servers" in words for words in said) == 1


def test_a_row_that_no_server_answers_is_an_error_of_its_own() -> None:
    def answer(body: dict[str, object], before: int) -> Answer:
        return refusal(400, "too long") if last(body) == "7" else slow(body, before)

    with FakeServer(answer) as a, FakeServer(answer) as b:
        replies = {r.id: r for r in replies_of(pool_of(a, b), 20)}
        bad = [body for body in a.bodies + b.bodies if last(body) == "7"]
    assert [row for row, reply in replies.items() if reply.finish == "error"] == ["row-7"]
    assert "too long" in replies["row-7"].text and len(bad) == 2


def test_one_that_never_was_there_is_told_once_and_left_alone() -> None:
    said: list[str] = []
    with FakeServer(slow) as gone:
        pass
    with FakeServer(slow) as well:
        pool = pool_of(gone, well, batch_size=8)
        pool.say = said.append
        assert {reply.finish for reply in replies_of(pool, 40)} == {"stop"}
        assert {reply.finish for reply in replies_of(pool, 40)} == {"stop"}
    assert said and all("no server answers at" in words for words in said)


def test_where_none_is_there_the_last_error_is_told_at_once() -> None:
    with FakeServer(slow) as a, FakeServer(slow) as b:
        pass
    with pytest.raises(ServerError, match="no server answers at"):
        list(pool_of(a, b).stream(requests_of("a", "b"), SAMPLING))


def test_all_that_are_down_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOWN_S", 0.2)
    monkeypatch.setattr(module, "_LOOK_S", 0.05)
    out = Answer("", hang_up=True)

    def away(body: dict[str, object], before: int) -> Answer:
        # Both answer a few, are away for some requests, and come again.
        return out if 12 < len(a.bodies) + len(b.bodies) < 60 else slow(body, before)

    with FakeServer(away) as a, FakeServer(away) as b:
        assert {reply.finish for reply in replies_of(pool_of(a, b, batch_size=4), 60)} == {"stop"}


def test_those_that_stay_away_end_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOWN_S", 0.1)
    monkeypatch.setattr(module, "_LOOK_S", 0.05)

    def away(body: dict[str, object], before: int) -> Answer:
        return (
            slow(body, before) if len(a.bodies) + len(b.bodies) < 12 else Answer("", hang_up=True)
        )

    with FakeServer(away) as a, FakeServer(away) as b:
        with pytest.raises(ServerError, match="answers no request any more"):
            replies_of(pool_of(a, b, batch_size=4, retry_s=0.5), 60)
    assert last(a.bodies[0])


@pytest.mark.parametrize(
    ("endpoints", "words"),
    [
        ({"http://u:p@b/v1": 1}, "address 1 of endpoints holds a user name or a password"),
        ({"http://b/v1": 0}, "the weight 0.0; give it one above 0"),
        ({"http://a/v1/": 1}, "is base_url, whose weight is 1"),
        ({"b": 1}, "is no address of the form"),
    ],
)
def test_addresses_that_are_none_are_refused_without_being_shown(
    endpoints: dict[str, float], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as told:
        Model(path="m", engine="openai", base_url="http://a/v1", endpoints=endpoints)
    assert "u:p" not in str(told.value).partition("input_value")[0]


def test_endpoints_are_for_servers_alone() -> None:
    with pytest.raises(ValueError, match="endpoints is for engine 'openai'"):
        Model(path="m", endpoints={"http://b/v1": 1})
