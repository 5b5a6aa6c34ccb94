"""Where the sandbox's model lies."""

from __future__ import annotations

from pathlib import Path

MODEL = Path(__file__).parent / "model"
