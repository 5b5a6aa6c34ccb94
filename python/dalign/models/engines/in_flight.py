"""An event loop in a thread of its own, and the queue by which its results come out."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def arrivals(
    work: Callable[[Callable[[T], None]], Awaitable[None]], every_s: float = 1.0
) -> Iterator[list[T]]:
    """What `work` emits, in lists of all that has come since the last one; an empty list where nothing has for `every_s` seconds.

    work: gets the function to emit with, and runs in a thread, also while the caller is busy with a
    list. Its error is raised here, after what it had emitted. Leaving the iterator cancels it.
    """
    # The last entry is None.
    out: queue.SimpleQueue[list[T] | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    emitted: list[T] = []

    def emit(one: T) -> None:
        # What one turn of the loop emits goes out together: each entry wakes the caller's thread.
        if not emitted:
            loop.call_soon(hand_over)
        emitted.append(one)

    def hand_over() -> None:
        if emitted:
            out.put(emitted.copy())
            emitted.clear()

    task: asyncio.Future[None] = asyncio.ensure_future(work(emit), loop=loop)

    def run() -> None:
        loop.run_until_complete(asyncio.wait([task]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        hand_over()
        out.put(None)

    thread = threading.Thread(target=run, name="dalign-requests", daemon=True)
    thread.start()
    try:
        batch: list[T] = []
        while (entry := _next(out, every_s)) is not None:
            batch += entry
            if out.empty() or not entry:
                yield batch
                batch = []
        if batch:
            yield batch
        if error := first_error(task.exception()):
            raise error
    finally:
        try:
            loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:
            # The loop is closed: nothing is left to cancel.
            pass
        thread.join()


def _next(out: queue.SimpleQueue[list[T] | None], within_s: float) -> list[T] | None:
    """The next entry, an empty list where none comes in time; None at the end."""
    try:
        return out.get(timeout=within_s)
    except queue.Empty:
        return []


def first_error(error: BaseException | None) -> BaseException | None:
    """The first error of a task group's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
