"""The names that a config may use as a model's path."""

from __future__ import annotations

from pathlib import Path

from dalign.sandbox.checkpoint import MODEL
from dalign.settings.load import SANDBOX


def checkpoints() -> dict[str, Path]:
    """The folder of each name."""
    return {SANDBOX: MODEL}
