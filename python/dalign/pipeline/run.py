"""Runs a config into a folder: whose the folder is, its lock, what is brought in, the stages, the results."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dalign.config import Config
from dalign.errors import ChangedConfigError, InputError, UnfinishedError
from dalign.pipeline.engines import Engines
from dalign.pipeline.plan import choose, is_done, make_plan, planned_work, states
from dalign.pipeline.project import Project, bring_in, inputs_faults, left_out
from dalign.pipeline.runner import Opened, run_plan
from dalign.pipeline.stages.filter import quality_of
from dalign.progress import Progress
from dalign.settings import changed_keys, check_paths, dump_toml, load_config
from dalign.store.damage import CONFIG, LEDGER, reading
from dalign.store.ledger import (
    ELAPSED,
    checked_config,
    close_ledger,
    keep,
    open_ledger,
    put_back,
    read_ledger,
)
from dalign.store.lock import LOCK, only_one
from dalign.store.run import INPUTS, RunFolder
from dalign.train.ranks import require_one_process
from dalign.train.rl.losses import loss_named

# Settings that change how fast a run goes, or what is done beside it, not what comes out.
FREE_KEYS = ("run.workers", "synth_model", "evaluate.max_missing")
TRAINING = ("sft", "rl")
# What a folder may hold before a run has been started in it.
_BEFORE = (LOCK, ELAPSED, INPUTS, "project")


@dataclass(frozen=True)
class Call:
    """A call of the program. redo: accept a changed config: what it touches is run again."""

    progress: Progress = field(default_factory=Progress)
    redo: bool = False


def run_stages(
    config: Config, folder: Path, call: Call, stage: str | None = None, variant: str | None = None
) -> list[str]:
    """Runs all stages of a config that are not done, or those of one kind; returns the names of those that ran.

    Raises InputError for input that cannot be used; then nothing that is made already is lost.
    """
    run, engines = RunFolder(folder), Engines(config)
    plan = make_plan(config)
    chosen = plan if stage is None else choose(plan, stage, variant)
    if any(each.kind in TRAINING for each in chosen):
        require_one_process()
    with only_one(run.path):
        mend(run, call.progress)
        opened = Opened(
            _brought_in(config, engines, run, call.progress), engines, run, call.progress
        )
        open_ledger(run.path, dump_toml(config))
        began = time.monotonic()
        try:
            return run_plan(opened, chosen)
        finally:
            elapsed = _elapsed_before(run) + time.monotonic() - began
            keep(run.path, {ELAPSED: f"{round(elapsed, 1)}\n"})
            close_ledger(run.path)


def mend(run: RunFolder, progress: Progress) -> None:
    """Puts back what is damaged and known, and says what of the inputs is read again."""
    for said in put_back(run.path):
        progress.say(said)
    for path, what in inputs_faults(run.inputs):
        progress.say(f"{path}: damaged or lost ({what}); it is taken from your files again")


def check_all_done(config: Config, folder: Path, call: Call) -> None:
    """Raises UnfinishedError naming the first stage that has not finished with what the config gives it now."""
    run, engines = RunFolder(folder), Engines(config)
    with only_one(run.path):
        mend(run, call.progress)
        project = _brought_in(config, engines, run, call.progress)
        keep(run.path, {CONFIG: dump_toml(config)})
    for stage in make_plan(config):
        if not is_done(stage, project, engines, run):
            raise UnfinishedError(
                f"{run.path}: {stage.name} has not finished, or its inputs have changed; run it first (dalign run --run {run.path})",
                kind="unfinished",
                path=run.path,
                value=stage.name,
            )


def keep_config(config: Config, folder: Path) -> None:
    """Makes this the config of a run, whose rows it does not touch: see `resolve_config`."""
    with only_one(folder):
        # Raises where it is damaged: what is not known cannot be kept.
        read_ledger(folder)
        keep(folder, {CONFIG: dump_toml(config)})


def plan_of(
    config: Config, folder: Path, call: Call
) -> tuple[list[dict[str, object]], dict[str, object]]:
    """The stages of a run with their states, and how much work the input means; nothing is written."""
    run, engines = RunFolder(folder), Engines(config)
    with tempfile.TemporaryDirectory() as place:
        project = _checked(config, engines, Path(place), call.progress)
        return states(make_plan(config), project, engines, run), planned_work(project)


def _brought_in(config: Config, engines: Engines, run: RunFolder, progress: Progress) -> Project:
    """What the user brings, checked, in the run's folder. A folder that holds nothing else goes again when it is bad."""
    try:
        return _checked(config, engines, run.inputs, progress)
    except BaseException:
        if not run.config.is_file():
            shutil.rmtree(run.inputs, ignore_errors=True)
            (run.path / LOCK).unlink(missing_ok=True)
            if not any(run.path.iterdir()):
                run.path.rmdir()
        raise


def _checked(config: Config, engines: Engines, place: Path, progress: Progress) -> Project:
    check_paths(config)
    engines.check(config.model, config.judge_of_record)
    project = bring_in(config, place, engines.budget())
    quality_of(config, engines)
    loss_named(config.rl.loss)
    for sentence in left_out(project):
        progress.say(sentence)
    return project


def resolve_config(
    config: Config | Path | None, folder: Path, overrides: Sequence[str], *, redo: bool
) -> Config:
    """The config of this call. A run folder belongs to one config: another one is refused unless `redo`.

    config: None is the one that the folder was started with. overrides: `a.b=c`, over the settings of a file.
    """
    if not _is_run(folder):
        if folder.is_dir() and any(path.name not in _BEFORE for path in folder.iterdir()):
            said = f"{folder}: this folder is not empty and is no run folder; name another one with --run"
            raise InputError(said, kind="no_run", path=folder)
        if config is None:
            said = f"{folder}: no run has been started here; name its config (dalign run dalign.toml --run {folder})"
            raise InputError(said, kind="no_run", path=folder)
        return _loaded(config, overrides)
    if config is not None:
        wanted = _loaded(config, overrides)
    else:
        with _saved(folder) as saved:
            wanted = load_config(saved, overrides)
    check_same(wanted, folder, redo=redo)
    return wanted


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG, LEDGER))


@contextmanager
def _saved(folder: Path) -> Iterator[Path]:
    """The config that a run was started with, for a while: its file, or what the ledger has of a damaged one."""
    path = folder / CONFIG
    try:
        ledger = read_ledger(folder)
    except InputError:
        yield path
        return
    if not ledger.holds(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / CONFIG
        copy.write_text(ledger.copies[CONFIG], "utf-8")
        yield copy


def _loaded(config: Config | Path, overrides: Sequence[str]) -> Config:
    if isinstance(config, Path):
        return load_config(checked_config(config), overrides)
    if overrides:
        raise InputError(
            f"overrides {', '.join(overrides)}: they go over a config file; give its path, or change the config itself",
            kind="overrides",
            value=list(overrides),
        )
    return config


def check_same(wanted: Config, folder: Path, *, redo: bool) -> None:
    """Raises ChangedConfigError where the folder's run was started with another config, unless `redo`."""
    if redo or not _is_run(folder):
        return
    with _saved(folder) as saved:
        changed = changed_keys(load_config(saved, []), wanted)
    changed = [text for text in changed if not text.startswith(FREE_KEYS)]
    if changed:
        raise ChangedConfigError(
            f"{folder}: this run was started with another config; changed: {'; '.join(changed)}; "
            "use another --run folder, or --redo to run again what these settings touch",
            kind="changed_config",
            path=folder,
            value=changed,
        )


def elapsed_s(run: RunFolder) -> float:
    """Seconds that the calls which made this run's rows took in all. Raises InputError where that is damaged."""
    path = run.path / ELAPSED
    if not read_ledger(run.path).holds(path):
        return 0.0
    with reading(path):
        return float(json.loads(read_ledger(run.path).check(path).read_text("utf-8")))


def _elapsed_before(run: RunFolder) -> float:
    """Seconds of earlier calls; none where nothing can be trusted to tell."""
    try:
        return elapsed_s(run)
    except InputError:
        return 0.0
