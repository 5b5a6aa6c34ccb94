"""A server's model whose chat template is known here: it is sent conversations as that takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    def __setattr__(self, name: str, value: Any) -> None:
        # What others set is where the engine tells of its work: it is the engine that tells.
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._engine, name, value)

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`."""
        placed = self._renderer.placed
        sent = [replace(each, messages=placed(each.messages)) for each in requests]
        return self._engine.stream(sent, sampling, done)
