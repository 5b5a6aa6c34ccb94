"""A matrix of runs: cells, which differ in settings, over seeds. What cells of one seed have alike is made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dalign.config import Config
from dalign.errors import InputError, naming
from dalign.pipeline.run import resolve_config, run_stages
from dalign.progress import Progress
from dalign.records.record import open_record
from dalign.records.results import alarms_in, write_results
from dalign.store.damage import is_run
from dalign.store.ledger import RESULTS
from dalign.store.run import INPUTS
from dalign.store.whole_files import json_text, remove, write_text
from dalign.vocabulary import ARMS, STAGES, TRAININGS, lineage

# What tells a matrix's folder from any other.
MARK = "matrix.json"
# What a cell's trainings make anew, beside the trainings themselves.
_OWN = {f"evaluate/{name}" for name in ARMS if lineage(name)}


class Cell(NamedTuple):
    """Runs of one kind. settings: `a.b=c`, over the config's."""

    name: str
    settings: tuple[str, ...]


class CellRun(NamedTuple):
    """The finished run of a cell and a seed."""

    cell: Cell
    seed: int
    folder: Path

    def alarms(self) -> list[str]:
        """A sentence for each metric of which too many grades are missing."""
        record = open_record(self.folder)
        found = alarms_in(record, record.config.evaluate.arms)
        return [f"{self.folder}: {said}" for said in found]


class Matrix(NamedTuple):
    """Cells over seeds, in a folder: `seed-SEED/CELL`. settings: of all cells, over the config's."""

    config: Path
    folder: Path
    cells: Sequence[Cell]
    seeds: Sequence[int]
    settings: Sequence[str] = ()

    def place(self, cell: Cell, seed: int) -> Path:
        """The run folder of a cell and a seed."""
        return self.folder / f"seed-{seed}" / cell.name

    def config_of(self, cell: Cell, seed: int, *, redo: bool = False) -> Config:
        """The config of one run. Raises ChangedConfigError where it has been started with another one, unless `redo`."""
        every = [*self.settings, *cell.settings, f"run.seed={seed}"]
        return resolve_config(self.config, self.place(cell, seed), every, redo=redo)


def run_matrix(matrix: Matrix, progress: Progress, *, redo: bool = False) -> Iterator[CellRun]:
    """Runs what is not done yet, seed by seed; what is done is kept, and a killed call goes on where it stood.

    Raises InputError for a folder with files that are no matrix's, and for input that cannot be used.
    """
    _begin(matrix)
    count = len(matrix.seeds) * len(matrix.cells)
    for number, seed in enumerate(matrix.seeds):
        for nth, cell in enumerate(matrix.cells, 1):
            place = matrix.place(cell, seed)
            progress.say(
                f"seed {seed}, {cell.name} ({number * len(matrix.cells) + nth} of {count}): {place}"
            )
            if not is_run(place):
                _share(matrix, cell, seed)
            run_stages(matrix.config_of(cell, seed, redo=redo), place, progress)
            if not (place / RESULTS).exists():
                write_results(open_record(place))
            yield CellRun(cell, seed, place)


def _begin(matrix: Matrix) -> None:
    """Marks the folder as a matrix's."""
    folder = matrix.folder
    with naming(folder):
        is_ours = (folder / MARK).is_file() or not folder.exists()
        if not is_ours and (not folder.is_dir() or any(folder.iterdir())):
            said = "this folder holds files that are of no ablation; name another one with --out"
            raise InputError.in_file(folder, said, kind="exists")
        folder.mkdir(parents=True, exist_ok=True)
        told = {cell.name: list(cell.settings) for cell in matrix.cells}
        write_text(folder / MARK, json_text({"cells": told, "seeds": list(matrix.seeds)}))


def _share(matrix: Matrix, cell: Cell, seed: int) -> None:
    """Gives a run that has not begun what a finished one of the same seed has made before its trainings.

    Of these stages, those whose inputs are others run again, and take over the replies that they still need.
    """
    places = (matrix.place(other, seed) for other in matrix.cells if other != cell)
    source = next((place for place in places if (place / RESULTS).exists()), None)
    if source is None:
        return
    place = matrix.place(cell, seed)
    begun = place.with_name(f"{place.name}.partial")
    remove(begun)

    def own(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(source)
        return {name for name in names if (inside / name).as_posix() in _OWN}

    with naming(begun):
        for name in (INPUTS, *(stage for stage in STAGES if stage not in TRAININGS)):
            if (source / name).is_dir():
                shutil.copytree(source / name, begun / name, ignore=own)
        remove(place)
        begun.rename(place)
