"""A run's folder: its config, what was brought in, and a folder for each stage's variant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dalign.errors import check_name
from dalign.store.damage import CONFIG, reading
from dalign.store.folder import MAIN, StageFolder
from dalign.store.ledger import ELAPSED, read_ledger

INPUTS = "inputs"
# The figures of a training's steps, beside its rows.
CURVE = "curve.json"


@dataclass(frozen=True)
class RunFolder:
    """`RUN/`."""

    path: Path

    def __post_init__(self) -> None:
        """Raises InputError for a folder whose files no engine can write."""
        check_name(self.path)

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
        """Seconds that the calls which made this run's rows took in all. Raises InputError where that is damaged."""
        path, ledger = self.path / ELAPSED, read_ledger(self.path)
        with reading(path):
            known = ledger.holds(path)
            return float(json.loads(ledger.check(path).read_text("utf-8"))) if known else 0.0

    def stage(self, name: str) -> StageFolder:
        """The folder of `stage/variant`, or of a stage's one variant."""
        stage, _, variant = name.partition("/")
        return StageFolder(self.path, stage, variant or MAIN)
