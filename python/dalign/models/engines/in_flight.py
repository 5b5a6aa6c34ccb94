"""An event loop in a thread of its own, and the queue by which its results come out."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def arrivals(work: Callable[[Callable[[T], None]], Awaitable[None]]) -> Iterator[list[T]]:
    """What `work` emits, in lists of all that has come since the last one.

    work: gets the function to emit with, and runs in a thread, also while the caller is busy with a
    list. Its error is raised here, after what it had emitted. Leaving the iterator cancels it.
    """
    out: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    task: asyncio.Future[None] = asyncio.ensure_future(work(out.put), loop=loop)
    thread = threading.Thread(
        target=_run, args=(loop, task, out), name="dalign-requests", daemon=True
    )
    thread.start()
    try:
        while True:
            batch, end = _drained(out)
            if batch:
                yield batch
            if end is not None:
                if end.error is not None:
                    raise end.error
                return
    finally:
        try:
            loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:
            # The loop is closed: nothing is left to cancel.
            pass
        thread.join()


class _End:
    """The last entry of the queue: how the work ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _run(
    loop: asyncio.AbstractEventLoop, task: asyncio.Future[None], out: queue.SimpleQueue[T | _End]
) -> None:
    loop.run_until_complete(asyncio.wait([task]))
    error = None if task.cancelled() else task.exception()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    out.put(_End(_first(error)))


def _first(error: BaseException | None) -> BaseException | None:
    """The first error of a task group's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _drained(out: queue.SimpleQueue[T | _End]) -> tuple[list[T], _End | None]:
    """All that is in the queue, at least one entry, and the end if it is there."""
    batch: list[T] = []
    entry = out.get()
    while True:
        if isinstance(entry, _End):
            return batch, entry
        batch.append(entry)
        try:
            entry = out.get_nowait()
        except queue.Empty:
            return batch, None
