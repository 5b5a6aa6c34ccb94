"""The sandbox's model with as many positions as a test's policy needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dalign.sandbox.checkpoint import MODEL


def with_positions(place: Path, positions: int = 65536) -> Path:
    """A copy of the checkpoint at `place`, which says that it has so many positions."""
    shutil.copytree(MODEL, place)
    config = json.loads((place / "config.json").read_text())
    config["max_position_embeddings"] = positions
    (place / "config.json").write_text(json.dumps(config))
    return place
