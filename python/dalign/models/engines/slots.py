"""How many requests a server is sent at once: more as it answers, fewer as it says that they are too many."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

# Requests in flight at first; with each reply one more, so that they double while replies come.
FIRST = 32
# What a limit that was met leaves of them, and for how long it is not cut again: those in flight met the same one.
CUT, COOL_S = 0.8, 2.0
# A server's error says nothing of how many it can take: for so long no more are sent than are.
STILL_S = 5.0
# Of the last outcomes, half of which must be limits before all wait as the server asks one to.
_LAST = 16

Outcome = Literal["answered", "limited", "failed", "other"]


class Slots:
    """Requests in flight, at most `most`. A request that waits to be sent again holds none. For one event loop at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(min(most, FIRST))
        self.in_flight = 0
        self._doubles = True
        self._cool_at = self._still_until = self._paused_until = 0.0
        self._last: deque[bool] = deque(maxlen=_LAST)
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
        self._last.append(outcome == "limited")
        if outcome == "limited":
            self._cut(now, wait_s)
        elif outcome == "failed":
            self._still_until = now + STILL_S
        elif outcome == "answered" and now >= self._still_until and self.limit < self.most:
            self.limit = min(self.most, self.limit + (1.0 if self._doubles else 1.0 / self.limit))
        self._wake()

    def _cut(self, now: float, wait_s: float) -> None:
        self._doubles = False
        if now >= self._cool_at:
            self._cool_at = now + COOL_S
            self.limit = max(1.0, self.limit * CUT)
        # One row that is limited among many that are not is that row's affair.
        if wait_s > 0 and 2 * sum(self._last) >= len(self._last) == _LAST:
            self._paused_until = max(self._paused_until, now + wait_s)
            asyncio.get_running_loop().call_at(self._paused_until, self._wake)

    def _wake(self) -> None:
        free = int(self.limit) - self.in_flight
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
