"""A run's folder: its config, what was brought in, and a folder for each stage's variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dalign.store.damage import CONFIG
from dalign.store.folder import MAIN, StageFolder

INPUTS = "inputs"


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

    def stage(self, name: str) -> StageFolder:
        """The folder of `stage/variant`, or of a stage's one variant."""
        stage, _, variant = name.partition("/")
        return StageFolder(self.path, stage, variant or MAIN)
