"""Writes the inputs of one path into a folder: python -m peers.inputs PATH FOLDER N SEED."""

from __future__ import annotations

import sys
from pathlib import Path

from peers.registry import comparison_named


def main() -> None:
    """In a process of its own, so that what generating holds is held by nothing that is measured."""
    path, folder, n, seed = sys.argv[1:]
    comparison_named(path).write_inputs(Path(folder), int(n), int(seed))


if __name__ == "__main__":
    main()
