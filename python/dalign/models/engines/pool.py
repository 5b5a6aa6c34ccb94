"""Several servers of one model: each is sent what it has room for, and what one cannot finish the others do."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from dalign import config
from dalign.errors import ServerError
from dalign.models.engines.in_flight import arrivals, first_error
from dalign.models.engines.queue import Queue
from dalign.models.engines.server import ServerEngine
from dalign.models.protocol import Reply, Request, Sampling, unheard
from dalign.rows import NEVER_CAME

# A server that failed is tried again after so long; the others go on meanwhile.
DOWN_S = 30.0
# Between two looks at servers that are all down.
_LOOK_S = 1.0


class PoolEngine:
    """Completes conversations by the servers at `base_url` and `endpoints`, which share one queue.

    Each has the share of `batch_size` in flight that its weight says. A row without a reply is asked once more for each other server. A server that fails gives back what it had in hand; where all have, they
    are waited for, `retry_s` seconds since the last answer.
    """

    def __init__(self, model: config.Model, **settings: Any) -> None:
        """settings: of each server's engine."""
        self._model = model
        self.members = [ServerEngine(member, hands=1, **settings) for member in members_of(model)]
        first = self.members[0]
        self.fingerprint, self.control_tokens = first.fingerprint, first.control_tokens
        self.reasoning, self.opens_reasoning = first.reasoning, first.opens_reasoning
        self.has_answered = False
        self.going = unheard
        self.say = lambda _: None

    @property
    def say(self) -> Callable[[str], None]:
        """See `protocol.Telling`."""
        return self._say

    @say.setter
    def say(self, say: Callable[[str], None]) -> None:
        self._say = say
        for member in self.members:
            member.say = say

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`. Raises ServerError where no server answers any more."""
        pending = [request for request in requests if request.id not in done]

        async def work(emit: Callable[[Reply], None]) -> None:
            await _Work(self, pending, sampling, emit).run()

        for replies in arrivals(work) if pending else ():
            if replies:
                yield replies
            else:
                words = "; ".join(filter(None, (member.awaited for member in self.members)))
                self.going(0.0, 0, words)


class _Work:
    """One stream's way through the servers."""

    def __init__(
        self,
        pool: PoolEngine,
        requests: Sequence[Request],
        sampling: Sampling,
        emit: Callable[[Reply], None],
    ) -> None:
        self._pool, self._queue, self._sampling, self._emit = pool, Queue(requests), sampling, emit
        self._requests = {request.id: request for request in requests}
        # How often a row was without a reply: what one server has against it another may not.
        self._failed = Counter[str]()
        # One that has never answered is not waited for.
        self._answered_at = time.monotonic() if pool.has_answered else -math.inf
        self._down: dict[ServerEngine, tuple[float, ServerError]] = {}
        self._running: dict[asyncio.Task[None], ServerEngine] = {}

    async def run(self) -> None:
        """Until each request has a reply. Raises ServerError."""
        try:
            while self._queue or self._running:
                self._start()
                if self._running:
                    ended, _ = await asyncio.wait(
                        self._running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    for task in ended:
                        self._end(task)
                else:
                    self._check()
                    await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self) -> None:
        """Sets those to work that are not, and not down."""
        now, busy = time.monotonic(), set(self._running.values())
        for member in self._pool.members:
            until, _ = self._down.get(member, (-math.inf, None))
            if self._queue and member not in busy and now >= until:
                task = asyncio.create_task(member.serve(self._queue, self._sampling, self._told))
                self._running[task] = member

    def _told(self, reply: Reply) -> None:
        if reply.finish in NEVER_CAME:
            self._failed[reply.id] += 1
            if self._failed[reply.id] < len(self._pool.members):
                self._queue.add(self._requests[reply.id])
                return
        self._answered_at, self._pool.has_answered = time.monotonic(), True
        self._emit(reply)

    def _end(self, task: asyncio.Task[None]) -> None:
        member = self._running.pop(task)
        error = first_error(task.exception())
        if error is None:
            self._down.pop(member, None)
        elif isinstance(error, ServerError):
            if member not in self._down:
                self._pool.say(f"{error}; its requests go to the other servers")
            self._down[member] = (time.monotonic() + DOWN_S, error)
        else:
            raise error

    def _check(self) -> None:
        """Raises the last server's error where all are down, and have been waited for."""
        waited_s = time.monotonic() - self._answered_at
        if len(self._down) == len(self._pool.members) and waited_s >= self._pool._model.retry_s:
            raise max(self._down.values(), key=lambda each: each[0])[1]


def members_of(model: config.Model) -> list[config.Model]:
    """The servers of a model, each with its share of what may be in flight; none waits for its own end."""
    weights: Mapping[str, float] = {str(model.base_url): 1.0, **model.endpoints}
    total = sum(weights.values())
    return [
        model.model_copy(
            update={
                "base_url": url,
                "endpoints": {},
                "retry_s": 0.0,
                "batch_size": max(1, round(model.batch_size * weight / total)),
            }
        )
        for url, weight in weights.items()
    ]
