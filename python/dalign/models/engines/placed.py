"""A server's model whose chat template is known here: it is sent conversations as that takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from dalign.models.engines.behind import Behind
from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.models.render import Renderer


class PlacedEngine(Behind):
    """An engine that is sent conversations as a renderer puts them; all else is the engine's own."""

    def __init__(self, engine: Engine, renderer: Renderer) -> None:
        """renderer: of the model's checkpoint."""
        super().__init__(engine)
        self._renderer = renderer

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`."""
        placed = self._renderer.placed
        sent = [each._replace(messages=placed(each.messages)) for each in requests]
        return self._engine.stream(sent, sampling, done)
