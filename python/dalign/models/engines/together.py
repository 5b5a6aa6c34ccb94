"""Completions of one prompt in one request: its conversation is sent, and read by the model, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import groupby

from dalign.models.engines.behind import Behind
from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.rows import NEVER_CAME


class TogetherEngine(Behind):
    """A server's engine that is asked for all of a prompt's completions at once; one by one for those that it leaves out."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._is_told = False

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`. Of a prompt of which some are done all are asked again, so that the others are as they would have been."""
        groups = [list(group) for _, group in groupby(requests, lambda request: request.messages)]
        groups = [group for group in groups if any(request.id not in done for request in group)]
        by_first = {group[0].id: group for group in groups}
        asked = [replace(g[0], others=tuple(r.id for r in g[1:])) for g in groups]
        left: list[Request] = []
        for replies in self._engine.stream(asked, sampling):
            came = [one for reply in replies for one in _each(by_first[reply.id], reply)]
            names = {reply.id for reply in came}
            left += (r for reply in replies for r in by_first[reply.id] if r.id not in names)
            yield [reply for reply in came if reply.id not in done]
        left = [request for request in left if request.id not in done]
        if left and not self._is_told:
            self._is_told = True
            self._engine_says(
                "the server gives fewer completions than a request asks for (n): the others are asked for one by one"
            )
        if left:
            yield from self._engine.stream(left, sampling)

    def _engine_says(self, sentence: str) -> None:
        say = getattr(self._engine, "say", None)
        if say is not None:
            say(sentence)


def _each(group: Sequence[Request], reply: Reply) -> Iterator[Reply]:
    """The replies that came for a prompt; where none did, what stands for each."""
    if reply.finish in NEVER_CAME:
        yield from (replace(reply, id=request.id) for request in group)
    else:
        yield replace(reply, others=())
        yield from reply.others


def apart(first: Reply, others: tuple[Reply, ...]) -> Reply:
    """Replies that came in one response, with what it counts for all of them shared out: by their lengths, the first one's what is left."""
    lengths = [len(reply.text) + 1 for reply in (first, *others)]
    shares = [first.tokens * length // sum(lengths) for length in lengths[1:]]
    apart = tuple(replace(r, tokens=n, read=0) for r, n in zip(others, shares, strict=True))
    return replace(first, tokens=first.tokens - sum(shares), others=apart)
