"""An engine whose work is counted, and that is asked for no more than a cap lets it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from dalign.config import Price
from dalign.models.engines.behind import Behind
from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.models.spending import Meter, Spent, told


class MeteredEngine(Behind):
    """An engine with a meter; all else is the engine's own."""

    def __init__(self, engine: Engine, meter: Meter, name: str, price: Price) -> None:
        """name: the config's for its model."""
        super().__init__(engine)
        self._meter, self._name, self._price = meter, name, price

    def spent(self) -> str:
        """What the run has cost so far, in words; empty where nothing does."""
        return told(self._meter.total)

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`. Near a cap, only so many are asked at a time that they cannot pass it, whatever they come to."""
        left = [request for request in requests if request.id not in done]
        by_id, answered = {request.id: request for request in left}, set(done)
        while left:
            now = self._meter.allowed(left, sampling, self._price)
            later = {request.id for request in left[now:]}
            began = time.monotonic()
            for replies in self._engine.stream(requests, sampling, answered | later):
                ended = time.monotonic()
                self._count(replies, ended - began)
                self._meter.measure(by_id, replies)
                answered |= {reply.id for reply in replies}
                yield replies
                # What is done with a reply is no time of the model's.
                began = time.monotonic()
            left = left[now:]

    def _count(self, replies: Sequence[Reply], seconds: float) -> None:
        read, written = sum(r.read for r in replies), sum(r.tokens for r in replies)
        money = self._price.of(read, written, seconds)
        self._meter.add(self._name, Spent(len(replies), read, written, seconds, money))
