"""How many requests a server is sent at once: more as it answers, fewer as it says that they are too many."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Literal

# Requests in flight at first; with each reply one more, so that they double while replies come.
FIRST = 32
# What a limit that was met leaves of them, and for how long it is not cut again: those in flight met the same one.
CUT, COOL_S = 0.8, 2.0
# A server's error says nothing of how many it can take: for so long no more are sent than are.
STILL_S = 5.0
# Of so many last outcomes, the share of limits, or of errors, that says something of how many are sent; fewer come by chance, or are one row's.
_LAST, _FEW, _TELLING = 64, 16, 0.3
# The share of limits at which all wait as the server asks one to.
_ALL = 0.5
# Below this share of the limit that was met, growth is as fast as at first.
_NEAR = 0.9

Outcome = Literal["answered", "limited", "failed", "other"]


class Slots:
    """Requests in flight, at most `most`. A request that waits to be sent again holds none. For one event loop at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(min(most, FIRST))
        self.in_flight = 0
        self._met = math.inf
        self._cool_at = self._still_until = self._paused_until = 0.0
        self._last: deque[Outcome] = deque(maxlen=_LAST)
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, *, again: bool = False) -> None:
        """Waits for a slot. again: before those that ask for the first time."""
        loop = asyncio.get_running_loop()
        while self.in_flight >= int(self.limit) or loop.time() < self._paused_until:
            turn = loop.create_future()
            (self._waiting.appendleft if again else self._waiting.append)(turn)
            try:
                await turn
            except BaseException:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    # It was this one's turn: the next one's now.
                    self._wake()
                raise
        self.in_flight += 1

    def give(self, outcome: Outcome, wait_s: float = 0.0) -> None:
        """Gives a slot back. wait_s: what the server asks to wait, of an outcome that is `limited`."""
        now = asyncio.get_running_loop().time()
        self.in_flight -= 1
        self._last.append(outcome)
        if outcome == "answered":
            if now >= self._still_until and self.limit < self.most:
                is_far = self.limit < _NEAR * self._met
                self.limit = min(self.most, self.limit + (1.0 if is_far else 1.0 / self.limit))
        elif outcome in ("limited", "failed"):
            share = self._last.count(outcome) / max(len(self._last), _FEW)
            if outcome == "limited" and share >= _TELLING:
                self._cut(now, wait_s if share >= _ALL and len(self._last) == _LAST else 0.0)
            elif share >= _TELLING:
                self._still_until = now + STILL_S
        self._wake()

    def _cut(self, now: float, wait_s: float) -> None:
        if now >= self._cool_at:
            self._cool_at, self._met = now + COOL_S, self.limit
            self.limit = max(1.0, self.limit * CUT)
        if wait_s > 0:
            self._paused_until = max(self._paused_until, now + wait_s)
            asyncio.get_running_loop().call_at(self._paused_until, self._wake)

    def _wake(self) -> None:
        free = int(self.limit) - self.in_flight
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
