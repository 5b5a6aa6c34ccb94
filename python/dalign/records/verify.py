"""Whether a run's folder is as the run wrote it: every file against its hash, and what to do where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dalign.errors import InputError
from dalign.pipeline.moved import going_on, has_config
from dalign.pipeline.plan import make_plan
from dalign.pipeline.project import SOURCES, inputs_faults, inputs_seal
from dalign.progress import Progress
from dalign.settings import load_config
from dalign.store.damage import CONFIG, LEDGER, is_run
from dalign.store.folder import StageFolder
from dalign.store.ledger import (
    COST,
    LOGS,
    MANIFEST,
    OWN_FILES,
    PROJECT,
    REPORT,
    RESULTS,
    read_ledger,
)
from dalign.store.lock import LOCK, is_lock, nobody_else
from dalign.store.run import INPUTS, RunFolder, no_run
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
    if not is_run(folder):
        raise no_run(folder)
    with nobody_else(folder):
        return _verified(RunFolder(folder), progress or Progress())


def _verified(run: RunFolder, progress: Progress) -> Verified:
    stages = _stages(run)
    progress.start("verify", len(stages))
    own, owned = _own_faults(run.path)
    faults = dict(own) | dict(inputs_faults(run.inputs))
    if not is_lock(run.path / LOCK):
        faults[run.path / LOCK] = "no file, as a lock is"
    if not run.inputs.is_dir():
        faults[run.inputs / SOURCES] = "lost"
    known = _inputs_known(run.inputs) | owned
    made = {}
    for number, stage in enumerate(stages, 1):
        faults |= stage.faults()
        made[stage.name] = _made(stage)
        progress.advance("verify", number)
    progress.finish("verify", f"{len(faults)} files damaged or lost")
    known = known.union(faults, *made.values()) | {run.path / LEDGER}
    again = going_on(run.path) if faults else ""
    damage = [
        Damage(path.relative_to(run.path).as_posix(), what, _way_out(run.path, path, again))
        for path, what in sorted(faults.items())
    ]
    finished = {name for name, files in made.items() if files}
    # A folder may lie behind a link.
    of_it = known | {run.path / LOCK} | {up for path in known for up in path.parents}
    in_work = {stage.path for stage in stages if stage.name not in finished} | {run.path / LOGS}
    unknown = [
        path.relative_to(run.path).as_posix()
        for path in files_below(run.path)
        if path not in of_it and in_work.isdisjoint(path.parents)
    ]
    size = sum(path.stat().st_size for path in known if path.is_file())
    return Verified(len(known), size, damage, _unfinished(run, finished), unknown)


def _stages(run: RunFolder) -> list[StageFolder]:
    """The stages that lie there; of those that have finished, the ledger of a run at rest names each."""
    found = [
        run.stage(f"{path.parent.name}/{path.name}")
        for path in sorted(run.path.glob("*/*"))
        if path.is_dir() and path.parent.name in STAGES
    ]
    try:
        ledger = read_ledger(run.path)
    except InputError:
        return found
    if not any(name.endswith(f"/{MANIFEST}") for name in ledger.copies):
        return found
    manifests = {stage.name: stage.path / MANIFEST for stage in found}
    return [s for s in found if ledger.holds(manifests[s.name]) or not manifests[s.name].exists()]


def _own_faults(run: Path) -> tuple[list[Fault], set[Path]]:
    """What of the run's own files is damaged or lost, and which are its own."""
    try:
        ledger = read_ledger(run)
    except InputError as error:
        # They are the run's all the same; what they must be, nothing tells.
        own = (*(run / name for name in OWN_FILES), *files_below(run / PROJECT))
        faults = [Fault(run / LEDGER, str(error.value))]
        if not has_config(run):
            faults.append(Fault(run / CONFIG, "not a config that can be read"))
        return faults, {path for path in own if path.is_file()}
    return list(ledger.faults()), {run / name for name in (*ledger.copies, *ledger.files)}


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
    return (
        set()
        if seal is None
        else {stage.path / MANIFEST, stage.path / COST, *seal.below(stage.path)}
    )


def _unfinished(run: RunFolder, finished: set[str]) -> list[str]:
    """The stages of the run's plan that have not finished; none where its config is damaged."""
    try:
        names = [
            s.name for s in make_plan(load_config(read_ledger(run.path).check(run.config), []))
        ]
    except InputError:
        return []
    return [name for name in names if name not in finished]


def _way_out(run: Path, path: Path, again: str) -> str:
    """What mends a file. again: the command that goes on with the run."""
    top, place = path.relative_to(run).parts[0], quote(str(run))
    if top in (RESULTS, REPORT):
        return f"`dalign report --run {place}` writes it again"
    if top == LOCK:
        return "remove it: nothing is in it that a run needs"
    if top == PROJECT:
        return f"it is your own file, of which inputs/ has what the run read; {again} takes it as it is now"
    if top == INPUTS:
        return f"{again} takes it from your files again"
    if top in STAGES:
        return f"{again} redoes {path.relative_to(run).parent.as_posix()} as far as needed"
    return f"{again} puts it back"
