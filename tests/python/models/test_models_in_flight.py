"""What comes out of an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from itertools import chain

import pytest
from dalign.models.engines.in_flight import arrivals


def test_all_that_is_emitted_comes_out_in_order_and_what_one_turn_emits_together() -> None:
    async def work(emit: Callable[[int], None]) -> None:
        for turn in range(50):
            emit(3 * turn)
            emit(3 * turn + 1)
            emit(3 * turn + 2)
            await asyncio.sleep(0)

    batches = list(arrivals(work))
    assert list(chain(*batches)) == list(range(150))
    assert all(len(batch) % 3 == 0 for batch in batches)


def test_an_error_comes_after_what_was_emitted_before_it() -> None:
    async def work(emit: Callable[[int], None]) -> None:
        emit(1)
        await asyncio.sleep(0)
        emit(2)
        raise ValueError("the end")

    came = list[int]()
    with pytest.raises(ValueError, match="the end"):
        came.extend(chain.from_iterable(arrivals(work)))
    assert came == [1, 2]


def test_silence_is_told_by_an_empty_list() -> None:
    async def work(emit: Callable[[int], None]) -> None:
        await asyncio.sleep(0.3)
        emit(1)

    batches = list(arrivals(work, every_s=0.05))
    assert batches[-1] == [1]
    assert batches[:-1]
    assert not any(batches[:-1])


def test_leaving_cancels_the_work() -> None:
    ended = list[str]()

    async def work(emit: Callable[[int], None]) -> None:
        try:
            emit(1)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    for batch in arrivals(work):
        assert batch == [1]
        break
    assert ended == ["cancelled"]


def test_its_own_thread_may_collect_it_as_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As Ctrl-C leaves it: held by the frames of an error in a circle, which whatever thread collects breaks up.
    unheard, ended, held = list[object](), threading.Event(), list[object]()
    monkeypatch.setattr(sys, "unraisablehook", unheard.append)

    async def work(emit: Callable[[int], None]) -> None:
        emit(1)
        try:
            while True:
                await asyncio.sleep(0.01)
                held.clear()
        finally:
            ended.set()

    coming = arrivals(work)
    assert next(coming) == [1]
    held.append(coming)
    del coming
    assert ended.wait(10.0)
    assert unheard == []
