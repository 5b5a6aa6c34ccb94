"""Where the sandbox's model lies."""

from __future__ import annotations

from pathlib import Path

MODEL = Path(__file__).parent / "model"


def checkpoints() -> dict[str, Path]:
    """The names that a config may use as a model's path."""
    return {"sandbox": MODEL}
