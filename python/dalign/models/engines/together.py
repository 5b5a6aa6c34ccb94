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
    """A server's engine that is asked for all of a prompt's completions at once; one by one for those that it leaves out.

    Whether the server gives several is tried with the first prompt.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        # Whether the server gives several; None: that is not known yet.
        self._gives_several: bool | None = None
        self._is_told = False

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`. Of a prompt of which some are done all are asked again, so that the others are as they would have been."""
        groups = [list(group) for _, group in groupby(requests, lambda request: request.messages)]
        groups = [group for group in groups if any(request.id not in done for request in group)]
        while groups:
            now = len(groups)
            if self._gives_several is None:
                # As many as show it: alone are those that have no others.
                now = next((n for n, each in enumerate(groups, 1) if len(each) > 1), now)
            if self._gives_several is False:
                yield from self._engine.stream([r for g in groups for r in g], sampling, done)
                return
            yield from self._asked(groups[:now], sampling, done)
            groups = groups[now:]

    def _asked(
        self, groups: Sequence[Sequence[Request]], sampling: Sampling, done: AbstractSet[str]
    ) -> Iterator[list[Reply]]:
        """Each group in one request; what that leaves out one by one."""
        group_of = {request.id: group for group in groups for request in group}
        asked = [g[0]._replace(others=tuple(r.id for r in g[1:])) for g in groups]
        left: list[Request] = []
        for replies in self._engine.stream(asked, sampling):
            came = [one for reply in replies for one in self._each(group_of[reply.id], reply, left)]
            if wanted := [reply for reply in came if reply.id not in done]:
                yield wanted
        left = [request for request in left if request.id not in done]
        if left:
            self._tell()
            yield from self._engine.stream(left, sampling)

    def _each(self, group: Sequence[Request], reply: Reply, left: list[Request]) -> Iterator[Reply]:
        """The replies that came for a prompt. left: gets what is to be asked for alone."""
        has_several = bool(reply.others)
        if len(group) > 1 and self._gives_several is None:
            self._gives_several = has_several
        if reply.finish in NEVER_CAME and not has_several:
            if len(group) > 1 and not self._gives_several:
                # Whoever gives one at a time may have refused the request for that.
                left += group
                return
            yield reply
            yield from (
                replace(reply, id=r.id, tokens=0, read=0) for r in group if r.id != reply.id
            )
            return
        came = (replace(reply, others=()), *reply.others)
        names = {each.id for each in came}
        left += (request for request in group if request.id not in names)
        yield from came

    def _tell(self) -> None:
        say = getattr(self._engine, "say", None)
        if say is not None and not self._is_told:
            self._is_told = True
            say(
                "the server does not give all completions of a request (samples_at_once): the others are asked for one by one"
            )


def apart(replies: Sequence[Reply], tokens: int) -> Reply:
    """Replies that came in one response, the first with the others in it. tokens: of all; shared out by their lengths."""
    lengths = [len(reply.text) + 1 for reply in replies]
    shares = [tokens * length // sum(lengths) for length in lengths]
    shares[0] += tokens - sum(shares)
    each = [replace(r, tokens=n, read=0) for r, n in zip(replies, shares, strict=True)]
    return replace(each[0], read=max(r.read for r in replies), others=tuple(each[1:]))
