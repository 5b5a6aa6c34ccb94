"""An engine whose replies other runs have had: what a cache holds is not asked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from dalign.models.ask import Keys
from dalign.models.engines.behind import Behind
from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.store.cache import Cache, Cached


class CachedEngine(Behind):
    """An engine behind a cache; all else is the engine's own."""

    def __init__(self, engine: Engine, cache: Cache) -> None:
        super().__init__(engine)
        self._cache = cache
        self._told = False

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`. What the cache holds comes first; what else comes goes into it, unless it never came."""
        keys = Keys(self._engine.fingerprint, sampling)
        key_of = {request.id: keys.of(request) for request in requests}
        # What the cache holds has no tokens.
        found = {} if sampling.tells_tokens else self._cache.find(list(key_of.values()))
        known = {row: found[key] for row, key in key_of.items() if key in found and row not in done}
        if known:
            if not self._told:
                self._told = True
                getattr(self._engine, "say", _unsaid)(
                    f"replies of earlier runs are taken from {self._cache.path}"
                )
            yield [Reply(row, *each) for row, each in known.items()]
        for replies in self._engine.stream(requests, sampling, {*done, *known}):
            self._cache.add({key_of[r.id]: Cached(r.text, r.finish, r.tokens) for r in replies})
            yield replies


def _unsaid(_: str) -> None:
    """Of an engine that says nothing."""
