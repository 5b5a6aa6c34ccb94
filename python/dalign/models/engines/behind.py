"""What stands before an engine, and is that engine for all but what it does itself."""

from __future__ import annotations

from typing import Any

from dalign.models.protocol import Engine


class Behind:
    """The engine's own attributes, read and set."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # What others set is where the engine tells of its work: it is the engine that tells.
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._engine, name, value)
