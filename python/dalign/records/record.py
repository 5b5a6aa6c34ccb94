"""A run as its folder tells it: no engine, no file of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dalign.config import Config
from dalign.pipeline.project import Project, Source, read_project
from dalign.settings import load_config
from dalign.store.damage import is_run
from dalign.store.folder import StageFolder
from dalign.store.ledger import read_ledger
from dalign.store.run import RunFolder, no_run
from dalign.vocabulary import trained_by, trainings


@dataclass(frozen=True)
class Record:
    """A run that has been started, finished or not."""

    run: RunFolder
    project: Project

    @property
    def config(self) -> Config:
        """The run's resolved config."""
        return self.project.config

    def stage(self, name: str) -> StageFolder:
        """The folder of `stage/variant`."""
        return self.run.stage(name)

    def has(self, name: str) -> bool:
        """Whether a stage has finished."""
        return self.stage(name).manifest() is not None

    def trained(self, kind: str) -> list[str]:
        """The arms that a kind of training makes for the run's config; what lies here of others is of an earlier one."""
        made = trainings(kind, self.config.evaluate.arms)
        return [arm for arm in trained_by(kind) if arm in made]

    @property
    def used(self) -> Mapping[str, Any]:
        """What the evaluations depend on, models, judge and templates, as their manifests say."""
        return dict(self.stage(f"evaluate/{self.config.evaluate.arms[0]}").recorded("inputs"))

    @property
    def sources(self) -> Mapping[str, Source]:
        """The files of prompts, by what they are for: `prompts`, `rl_prompts`, `suites/NAME`."""
        found = {"prompts": self.project.prompts}
        if self.project.rl_prompts is not self.project.prompts:
            found["rl_prompts"] = self.project.rl_prompts
        return found | {f"suites/{name}": suite for name, suite in self.project.suites.items()}


def open_record(folder: Path) -> Record:
    """The run in a folder. Raises InputError if none has been started there."""
    run = RunFolder(folder)
    if not is_run(folder):
        raise no_run(folder)
    config = load_config(read_ledger(folder).check(run.config), [])
    return Record(run, read_project(config, run.inputs))


def rows_in(record: Record, name: str, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """The values of some columns of a finished stage's table, row by row; none where it has not finished."""
    if record.has(name):
        for chunk in record.stage(name).table(table).chunks(record.config.run.part_rows, columns):
            yield from chunk.select(columns).iter_rows()
