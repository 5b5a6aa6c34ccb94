"""A server's model whose chat template is known here: it is sent conversations as that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.models.render import Renderer


class PlacedEngine:
    """An engine that is sent conversations as a renderer puts them; all else is the engine's own."""

    def __init__(self, engine: Engine, renderer: Renderer) -> None:
        """renderer: of the model's checkpoint."""
        self._engine, self._renderer = engine, renderer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def say(self) -> Callable[[str], None]:
        """Where the engine tells what it waits for; see `protocol.Telling`."""
        return self._engine.say  # type: ignore[attr-defined]

    @say.setter
    def say(self, say: Callable[[str], None]) -> None:
        self._engine.say = say  # type: ignore[attr-defined]

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`."""
        placed = self._renderer.placed
        sent = [replace(each, messages=placed(each.messages)) for each in requests]
        return self._engine.stream(sent, sampling, done)
