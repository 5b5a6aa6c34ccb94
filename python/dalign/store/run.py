"""A run's folder: its config, what was brought in, and a folder for each stage's variant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dalign.store.damage import reading
from dalign.store.folder import MAIN, StageFolder

CONFIG = "config.toml"
INPUTS = "inputs"
ELAPSED = "elapsed.json"
# The figures of a training's steps, beside its rows.
CURVE = "curve.json"


@dataclass(frozen=True)
class RunFolder:
    """`RUN/`."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved config, to which the folder belongs."""
        return self.path / CONFIG

    @property
    def inputs(self) -> Path:
        """Prompts, suites, policy and templates, as the run read them."""
        return self.path / INPUTS

    @property
    def elapsed_s(self) -> float:
        """Seconds that the calls which made this run's rows took in all."""
        path = self.path / ELAPSED
        with reading(path):
            return float(json.loads(path.read_text("utf-8"))) if path.is_file() else 0.0

    def stage(self, name: str) -> StageFolder:
        """The folder of `stage/variant`, or of a stage's one variant."""
        stage, _, variant = name.partition("/")
        return StageFolder(self.path, stage, variant or MAIN)
