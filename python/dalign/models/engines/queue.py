"""The requests that are still to be sent, by one server or by several."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from dalign.models.protocol import Request


class Queue:
    """Gives each request to one worker; what a worker gives back is the next one's. For one event loop."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._left = deque(requests)

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[Request]:
        while self._left:
            yield self._left.popleft()

    def give_back(self, request: Request) -> None:
        """Puts a request that could not be sent before the others."""
        self._left.appendleft(request)

    def add(self, request: Request) -> None:
        """Puts a request behind the others."""
        self._left.append(request)
