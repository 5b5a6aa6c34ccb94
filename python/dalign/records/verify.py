"""Whether a run's folder is as the run wrote it: every file against its hash, and what to do where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dalign.errors import InputError
from dalign.pipeline.plan import make_plan
from dalign.pipeline.project import SOURCES, inputs_faults, inputs_seal
from dalign.progress import Progress
from dalign.settings import load_config
from dalign.store.damage import CONFIG, LEDGER
from dalign.store.folder import StageFolder
from dalign.store.ledger import MANIFEST, PROJECT, REPORT, RESULTS, Ledger, read_ledger
from dalign.store.lock import LOCK, nobody_else
from dalign.store.run import INPUTS, RunFolder
from dalign.store.seal import Fault, files_below
from dalign.vocabulary import STAGES


@dataclass(frozen=True)
class Damage:
    """A file that is not as the run wrote it. path: below the run's folder; what: lost, cut, longer or changed."""

    path: str
    what: str
    way_out: str


@dataclass(frozen=True)
class Verified:
    """What the check of a run's folder found.

    files, bytes: of all that the run knows of. unfinished: stages that are no damage. unknown: files that nothing
    covers, and that no command reads.
    """

    files: int
    bytes: int
    damage: list[Damage]
    unfinished: list[str]
    unknown: list[str]


def verify(folder: Path, progress: Progress | None = None) -> Verified:
    """Checks every file of a run; writes nothing. Raises InputError if it is no run, BusyError while one works there."""
    if not any((folder / name).is_file() for name in (CONFIG, LEDGER)):
        said = f"{folder}: no run has been started here; name a run's folder"
        raise InputError(said, kind="no_run", path=folder)
    with nobody_else(folder):
        return _verified(RunFolder(folder), progress or Progress())


def _verified(run: RunFolder, progress: Progress) -> Verified:
    stages = [
        run.stage(f"{path.parent.name}/{path.name}")
        for path in sorted(run.path.glob("*/*"))
        if path.is_dir() and path.parent.name in STAGES
    ]
    steps = 2 + len(stages)
    progress.start("verify", steps)
    own, ledger = _own_faults(run.path)
    faults = dict(own)
    progress.advance("verify", 1)
    faults |= inputs_faults(run.inputs)
    if not (run.inputs / SOURCES).is_file():
        faults[run.inputs / SOURCES] = "lost"
    known = _inputs_known(run.inputs) | {run.path / n for n in (*ledger.copies, *ledger.files)}
    finished: list[StageFolder] = []
    unfinished: list[StageFolder] = []
    for number, stage in enumerate(stages, 2):
        progress.advance("verify", number)
        faults |= stage.faults()
        made = _made(stage)
        known |= made
        (finished if made else unfinished).append(stage)
    progress.finish("verify", f"{len(faults)} files damaged or lost")
    known |= faults.keys() | {run.path / LEDGER, run.path / LOCK}
    present = [path for path in files_below(run.path) if path in known]
    in_work = {stage.path for stage in unfinished}
    return Verified(
        len(known - {run.path / LOCK}),
        sum(path.stat().st_size for path in present),
        [
            Damage(path.relative_to(run.path).as_posix(), what, _way_out(run.path, path))
            for path, what in sorted(faults.items())
        ],
        _unfinished(run, finished),
        [
            path.relative_to(run.path).as_posix()
            for path in files_below(run.path)
            if path not in known and in_work.isdisjoint(path.parents)
        ],
    )


def _own_faults(run: Path) -> tuple[list[Fault], Ledger]:
    try:
        ledger = read_ledger(run)
    except InputError as error:
        return [Fault(run / LEDGER, str(error.value))], Ledger(run)
    return list(ledger.faults()), ledger


def _inputs_known(place: Path) -> set[Path]:
    try:
        seal = inputs_seal(place)
    except InputError:
        return set(files_below(place))
    return {place / SOURCES, *seal.below(place)}


def _made(stage: StageFolder) -> set[Path]:
    """The files of a finished stage; nothing of one that is in work, everything of one of which nothing is known."""
    try:
        seal = stage.seal()
    except InputError:
        return set(files_below(stage.path))
    return set() if seal is None else {stage.path / MANIFEST, *seal.below(stage.path)}


def _unfinished(run: RunFolder, finished: list[StageFolder]) -> list[str]:
    """The stages of the run's plan that have not finished; those that lie there where its config is damaged."""
    done = {stage.name for stage in finished}
    try:
        names = [
            s.name for s in make_plan(load_config(read_ledger(run.path).check(run.config), []))
        ]
    except InputError:
        return []
    return [name for name in names if name not in done]


def _way_out(run: Path, path: Path) -> str:
    """What mends a file."""
    top = path.relative_to(run).parts[0]
    if top in (RESULTS, REPORT):
        return f"`dalign report --run {run}` writes it again"
    again = f"`dalign run --run {run}`"
    if top == PROJECT:
        return f"it is your own file, of which inputs/ has what the run read; {again} takes it as it is now"
    if top == INPUTS:
        return f"{again} takes it from your files again"
    if top in STAGES:
        return f"{again} redoes {path.relative_to(run).parent.as_posix()} as far as needed"
    return f"{again} puts it back"
