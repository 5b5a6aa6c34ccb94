"""A run's folder: its config, what was brought in, and a folder for each stage's variant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dalign.errors import InputError, check_name
from dalign.store.damage import CONFIG, LEDGER, is_run, reading
from dalign.store.folder import MAIN, StageFolder
from dalign.store.ledger import ELAPSED, MANIFEST, PROJECT, PROJECT_CONFIG, read_ledger
from dalign.vocabulary import STAGES

INPUTS = "inputs"
# Among the inputs: the judge's card.
CARD = "judge_card.json"
# The figures of a training's steps, beside its rows.
CURVE = "curve.json"


def has_stages(folder: Path) -> bool:
    """Whether stages have finished in a folder, which may have lost its config and its ledger."""
    return any(path.parts[-3] in STAGES for path in folder.glob(f"*/*/{MANIFEST}"))


def no_run(folder: Path) -> InputError:
    """The error of a folder in which no run has been started, or which nothing tells to be one's."""
    said = f"{folder}: no run has been started here; name a run's folder"
    if has_stages(folder) or is_run(folder):
        said = f"{folder}: {CONFIG} and {LEDGER} are both damaged or lost; {making_anew(folder)} makes them anew and keeps what is whole"
    return InputError(said, kind="no_run", path=folder)


def making_anew(folder: Path) -> str:
    """The command for a run that has lost its config and its ledger."""
    own = folder / PROJECT / PROJECT_CONFIG
    config = quote(str(own)) if own.is_file() else "CONFIG"
    return f"`dalign run {config} --run {quote(str(folder))}`"


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
