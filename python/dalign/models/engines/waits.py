"""Waiting for a server: what it asks for, and who waits since when."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# So long without a reply is told.
SILENT_S = 10.0


def retry_after_s(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, given in seconds or as a date; None without one that can be read.

    May be infinite. A date without a zone is UTC, and one that is past asks for no wait.
    """
    try:
        seconds = float(header or "")
        return None if math.isnan(seconds) else max(0.0, seconds)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, OverflowError):
        return None
    # A date of the zone -0000 has none here.
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


class Awaited:
    """Who waits for a server, and since when. Written by the requests' thread, read by another."""

    def __init__(self, url: str) -> None:
        self._url = url
        # When each request in flight was sent; when those that wait met what they wait for, and what it is.
        self._sent: dict[str, float] = {}
        self._waiting: dict[str, tuple[float, str]] = {}
        self.answered_at = -math.inf
        """When the server last answered."""

    @contextmanager
    def one(self, row: str) -> Iterator[None]:
        """While a request is in flight."""
        self._sent[row] = time.monotonic()
        try:
            yield
        finally:
            self._sent.pop(row, None)
            self._waiting.pop(row, None)

    def waits(self, row: str, problem: str) -> None:
        """Notes that a request is to be sent again, and why."""
        since = self._waiting.get(row, (time.monotonic(), ""))[0]
        self._waiting[row] = (since, problem)

    def answered(self) -> None:
        """Notes an answer."""
        self.answered_at = time.monotonic()

    @property
    def words(self) -> str:
        """Who is awaited, since when and why; empty where replies come."""
        now, waiting, sent = (
            time.monotonic(),
            list(self._waiting.values()),
            list(self._sent.values()),
        )
        if waiting:
            since, problem = min(waiting)
            return f"{len(waiting)} wait for {self._url} since {now - since:.0f} s ({problem})"
        since = max([self.answered_at, *([min(sent)] if sent else [])])
        if sent and now - since >= SILENT_S:
            return f"{len(sent)} in flight at {self._url}, no reply since {now - since:.0f} s"
        return ""
