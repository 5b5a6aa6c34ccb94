"""An engine whose work is counted, and that is asked for no more than a cap lets it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from dalign.config import Price
from dalign.models.engines.behind import Behind
from dalign.models.protocol import Engine, Going, Reply, Request, Sampling
from dalign.models.spending import Meter, told


class MeteredEngine(Behind):
    """An engine with a meter; all else is the engine's own."""

    def __init__(self, engine: Engine, meter: Meter, name: str, price: Price) -> None:
        """name: the config's for its model."""
        super().__init__(engine)
        self._meter, self._name, self._price = meter, name, price
        self._is_told = False

    def __setattr__(self, name: str, value: Any) -> None:
        # A server that is waited for for long is looked at too.
        super().__setattr__(name, self._looking(value) if name == "going" else value)

    def _looking(self, going: Going) -> Going:
        def looks(rows: float, tokens: int, awaited: str) -> None:
            self._meter.look()
            going(rows, tokens, awaited)

        return looks

    def spent(self) -> str:
        """What the run has cost so far, in words; empty where nothing does."""
        return told(self._meter.total)

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`. Near a cap, only so many are asked at a time that they cannot pass it, whatever they come to."""
        left = [request for request in requests if request.id not in done]
        asked = {row: each for each in left for row in (each.id, *each.others)}
        answered = set(done)
        while left:
            now = self._meter.allowed(left, sampling, self._price)
            later = {request.id for request in left[now:]}
            began = time.monotonic()
            for replies in self._engine.stream(requests, sampling, answered | later):
                self._count(asked, replies, sampling, time.monotonic() - began)
                yield replies
                self._meter.look()
                # What is done with a reply is no time of the model's.
                began = time.monotonic()
            answered |= {request.id for request in left[:now]}
            left = left[now:]

    def _count(
        self, asked: dict[str, Request], replies: Sequence[Reply], sampling: Sampling, took_s: float
    ) -> None:
        known = self._meter.count(self._name, asked, replies, sampling, self._price, took_s)
        if not known and not self._is_told:
            self._is_told = True
            say = getattr(self._engine, "say", None)
            if say is not None:
                say(
                    f"{self._name}: nobody counts the tokens of its replies; they are counted at most"
                )
