"""How many requests a server is sent at once, by what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from dalign.models.engines import slots as module
from dalign.models.engines.slots import FIRST, Slots
from fake_server import Answer, FakeServer, chat, refusal
from test_models_server import engine_of, last, replies_of, requests_of


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 20))  # type: ignore[arg-type]


def test_replies_double_what_is_in_flight_up_to_the_most() -> None:
    async def work() -> None:
        slots, seen = Slots(100), []
        for _ in range(4):
            free = int(slots.limit)
            seen.append(free)
            for _ in range(free):
                await slots.take()
            for _ in range(free):
                slots.give("answered")
        assert seen == [FIRST, 2 * FIRST, 100, 100] and slots.in_flight == 0

    run(work)


def test_a_limit_cuts_once_for_all_that_met_it_and_growth_is_slow_after_it() -> None:
    async def work() -> None:
        slots = Slots(100)
        for _ in range(FIRST):
            await slots.take()
        for _ in range(FIRST):
            slots.give("limited")
        assert slots.limit == pytest.approx(0.8 * FIRST)
        free = int(slots.limit)
        for _ in range(free):
            await slots.take()
        for _ in range(free):
            slots.give("answered")
        # As fast as at first up to nine tenths of what was met, and slowly from there.
        assert 0.9 * FIRST <= slots.limit < 0.9 * FIRST + 2

    run(work)


def test_limits_that_come_by_chance_cut_nothing() -> None:
    async def work() -> None:
        slots = Slots(64)
        for i in range(500):
            await slots.take()
            slots.give("limited" if i % 10 == 5 else "answered", 0.2)
        assert slots.limit == 64

    run(work)


def test_errors_of_the_server_stop_growth_and_cut_nothing() -> None:
    async def work() -> None:
        slots = Slots(100)
        for _ in range(10):
            await slots.take()
            slots.give("failed")
        for _ in range(20):
            await slots.take()
            slots.give("answered")
        assert slots.limit == FIRST
        slots._still_until = 0.0
        await slots.take()
        slots.give("answered")
        assert slots.limit == FIRST + 1

    run(work)


@pytest.mark.parametrize(("limited", "pauses"), [(64, True), (31, False)])
def test_all_wait_where_the_server_limits_most_and_none_where_it_limits_some(
    limited: int, pauses: bool
) -> None:
    async def work() -> None:
        slots = Slots(100)
        for i in range(64):
            await slots.take()
            slots.give("limited" if i >= 64 - limited else "answered", 0.3)
        began = asyncio.get_running_loop().time()
        await slots.take()
        assert (asyncio.get_running_loop().time() - began >= 0.25) == pauses

    run(work)


def test_who_is_sent_again_comes_first_and_who_leaves_gives_the_turn_on() -> None:
    async def work() -> None:
        slots, came = Slots(1), list[str]()

        async def ask(name: str, again: bool) -> None:
            await slots.take(again=again)
            came.append(name)
            await asyncio.sleep(0)
            slots.give("answered")

        await slots.take()
        tasks = [asyncio.create_task(ask(name, name == "again")) for name in ("a", "b", "again")]
        await asyncio.sleep(0)
        tasks[0].cancel()
        slots.give("answered")
        await asyncio.gather(*tasks, return_exceptions=True)
        assert came == ["again", "b"] and slots.in_flight == 0

    run(work)


def test_a_row_that_waits_holds_no_slot() -> None:
    """With one request in flight at most, the others are answered while one waits to be sent again."""

    def answer(body: dict[str, object], before: int) -> Answer:
        return refusal(503, "busy") if last(body) == "a" and before < 2 else chat("x")

    with FakeServer(answer) as server:
        replies = replies_of(engine_of(server, batch_size=1, backoff_s=0.3), requests_of(*"abcdef"))
        order = [last(body) for body in server.bodies]
    assert {reply.finish for reply in replies.values()} == {"stop"}
    assert order[:2] == ["a", "b"] and order.index("f") < len(order) - 1 and order[-1] == "a"


def test_a_limit_costs_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COOL_S", 0.0)

    def answer(body: dict[str, object], before: int) -> Answer:
        return refusal(429, "slow down", Retry_After="0.01") if before < 9 else chat("x")

    with FakeServer(answer) as server:
        engine = engine_of(server, batch_size=8, attempts=2, backoff_s=0.01)
        replies = replies_of(engine, requests_of(*map(str, range(20))))
    assert {reply.finish for reply in replies.values()} == {"stop"} and engine.slots.limit < 8
