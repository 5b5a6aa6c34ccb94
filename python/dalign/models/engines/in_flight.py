"""An event loop in a thread of its own, and the queue by which its results come out."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def arrivals(
    work: Callable[[Callable[[T], None]], Awaitable[None]], every_s: float = 1.0
) -> Iterator[list[T]]:
    """What `work` emits, in lists of all that has come since the last one; an empty list where nothing has for `every_s` seconds.

    work: gets the function to emit with, and runs in a thread, also while the caller is busy with a
    list. Its error is raised here, after what it had emitted. Leaving the iterator cancels it.
    """
    loop = asyncio.new_event_loop()
    out = _Out[T](loop)
    task: asyncio.Future[None] = asyncio.ensure_future(work(out.emit), loop=loop)

    def run() -> None:
        loop.run_until_complete(asyncio.wait([task]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        out.end()

    thread = threading.Thread(target=run, name="dalign-requests", daemon=True)
    thread.start()
    try:
        batch: list[T] = []
        while (entry := out.next(every_s)) is not None:
            batch += entry
            if out.is_empty or not entry:
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
        # Garbage is collected in any thread, also in that one, which ends by itself.
        if threading.current_thread() is not thread:
            thread.join()


class _Out(Generic[T]):
    """From the loop's thread to the caller's: what one turn of the loop emits goes out together, as each entry wakes the caller."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._emitted = list[T]()
        # The last entry is None.
        self._queue: queue.SimpleQueue[list[T] | None] = queue.SimpleQueue()

    def emit(self, one: T) -> None:
        """Takes one, in the loop's thread."""
        if not self._emitted:
            self._loop.call_soon(self._hand_over)
        self._emitted.append(one)

    def end(self) -> None:
        """Hands over what is left, and says that nothing more comes."""
        self._hand_over()
        self._queue.put(None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for the caller."""
        return self._queue.empty()

    def next(self, within_s: float) -> list[T] | None:
        """The next entry, an empty list where none comes in time; None at the end."""
        try:
            return self._queue.get(timeout=within_s)
        except queue.Empty:
            return []

    def _hand_over(self) -> None:
        if self._emitted:
            self._queue.put(self._emitted)
            self._emitted = []


def first_error(error: BaseException | None) -> BaseException | None:
    """The first error of a task group's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
