"""Runs a config into a folder: whose the folder is, its lock, what is brought in, the stages, the results."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from dalign.config import AUTO, CHECKPOINT_ENGINES, Config, Model
from dalign.errors import ChangedConfigError, DalignError, InputError, ServerError, UnfinishedError
from dalign.figures import Moment
from dalign.models.checkpoint import check_checkpoint
from dalign.models.devices import settled
from dalign.models.spending import Meter, Spent
from dalign.pipeline.engines import Engines
from dalign.pipeline.golden import golden_of, golden_of_training
from dalign.pipeline.judge_card import exchange_card, holds_another
from dalign.pipeline.judging import scale_of, vetoes
from dalign.pipeline.memory import moments_of
from dalign.pipeline.moved import check_files, has_config, started_with
from dalign.pipeline.plan import DONE, check_sound, choose, make_plan, states
from dalign.pipeline.preflight import missing_servers, warnings_of
from dalign.pipeline.project import SOURCES, Project, bring_in, inputs_faults
from dalign.pipeline.rendering import check_rendered, with_day, with_day_of
from dalign.pipeline.runner import Opened, run_plan
from dalign.pipeline.served import Note, fingerprints, noted, recognised
from dalign.pipeline.spent import keep_spent, spent_before
from dalign.pipeline.stage import Stage
from dalign.pipeline.stages.filter import quality_of
from dalign.pipeline.stages.rl import check_drawable, check_second
from dalign.pipeline.work import planned_work
from dalign.progress import Progress
from dalign.settings import changed_keys, dump_toml, load_config
from dalign.store.damage import CONFIG, is_run
from dalign.store.ledger import (
    ELAPSED,
    LOGS,
    MARKER,
    MODELS,
    OWN_FILES,
    SERVED,
    checked_config,
    close_ledger,
    keep,
    open_ledger,
    put_back,
    read_ledger,
    saved_config,
)
from dalign.store.lock import LOCK, only_one
from dalign.store.run import INPUTS, RunFolder, has_stages, no_run
from dalign.store.whole_files import folder_place, json_text, remove
from dalign.train.ranks import require_one_process
from dalign.train.rl.losses import loss_named
from dalign.train.run import check_packages
from dalign.vocabulary import STAGES, TRAININGS

# Settings that change how fast a run goes, or what is done beside it, not what comes out.
FREE_KEYS = (
    "run.workers", "run.trackers", "run.cache", "run.cap", "run.executor", "run.ray", "synth_model", "evaluate.max_forgetting", "evaluate.max_kl", "evaluate.max_missing", "evaluate.judge_card", "judge.admission", "judge.forced",
    "rl.readmit_every", "rl.on_alarm",
    *(f"{model}.{key}" for model in ("model", "judge_model", "second_judge_model") for key in ("retry_s", "timeout_s", "token_s", "endpoints", "price", *(
        f"vllm.{name}" for name in ("python", "tensor_parallel", "memory", "devices", "prefix_caching", "start_s")))),
)  # fmt: skip
MODELS_OF_CONFIG = ("model", "judge_model", "second_judge_model", "synth_model")
# What a folder may hold before a run has been started in it.
_BEFORE = (LOCK, ELAPSED, INPUTS, LOGS, "project")


def run_stages(
    config: Config,
    folder: Path,
    progress: Progress,
    stage: str | None = None,
    variant: str | None = None,
    *,
    retry_missing: bool = False,
) -> list[str]:
    """Runs all stages of a config that are not done, or those of one kind; returns the names of those that ran.

    Raises InputError for input that cannot be used; then nothing that is made already is lost.
    """
    require_one_process()
    run, plan = RunFolder(folder), make_plan(config)
    chosen = plan if stage is None else choose(plan, stage, variant)
    with only_one(run.path):
        is_first = not is_run(run.path) and not has_stages(run.path)
        mend(run, progress)
        try:
            check_files(config, run.path)
            notes = recognised(config, noted(run), progress.say)
            before_s = _elapsed_before(run)
            note = partial(_note, run, before_s, time.monotonic())
            meter = Meter(config.run.cap, spent_before(run, progress), before_s, note)
            engines = Engines(config, fingerprints(notes), run.path / LOGS, meter)
            project = _checked(chosen, config, engines, run, run.inputs, progress)
            # Of what was made before nothing is lost, and nothing is asked.
            to_run = {each.kind for each in chosen if not _has_finished(run, each)}
            _say(warnings_of(project, engines, to_run), progress)
            _say(missing_servers(config, to_run), progress)
        except BaseException:
            _leave_nothing(run)
            raise
        return _worked(
            Opened(project, engines, run, progress, retry_missing), chosen, notes, is_first
        )


def _worked(
    opened: Opened, chosen: Sequence[Stage], notes: Mapping[str, Note], is_first: bool
) -> list[str]:
    """Runs stages, the run's own files around them. notes: what servers say. is_first: no call has begun here before."""
    run = opened.run
    open_ledger(run.path, dump_toml(opened.project.config))
    served = {SERVED: json_text(notes)} if notes else {}
    keep(run.path, {MODELS: json_text(opened.engines.known()), **served})
    began, before_s = time.monotonic(), _elapsed_before(run)
    try:
        return run_plan(opened, chosen)
    except DalignError:
        if is_first and not _has_made_anything(run):
            _forget(run)
        raise
    finally:
        opened.engines.close()
        if is_run(run.path):
            close_ledger(run.path)
            _note(run, before_s, began, opened.engines.meter.taken)
        else:
            _leave_nothing(run)


def _note(run: RunFolder, before_s: float, began: float, taken: Mapping[str, Spent]) -> None:
    """Writes down what all calls have taken. began: this one, by `time.monotonic`; before_s: of the others."""
    if is_run(run.path):
        keep_spent(run, taken)
        keep(run.path, {ELAPSED: f"{round(before_s + time.monotonic() - began, 1)}\n"})


def _has_finished(run: RunFolder, stage: Stage) -> bool:
    """Whether a stage has finished once, with whatever inputs."""
    try:
        return run.stage(stage.name).manifest() is not None
    except InputError:
        return False


def mend(run: RunFolder, progress: Progress) -> None:
    """Makes way for the run's folders, puts back what is damaged and known, and says what of the inputs is read again."""
    for name in (*STAGES, INPUTS):
        if aside := folder_place(run.path / name):
            progress.say(f"{run.path / name}: no folder, as the run needs it; it is now {aside}")
    for said in put_back(run.path):
        progress.say(said)
    for path, what in inputs_faults(run.inputs):
        progress.say(f"{path}: damaged or lost ({what}); it is taken from your files again")


def check_all_done(config: Config, folder: Path, progress: Progress) -> None:
    """Raises UnfinishedError naming the first stage that has not finished with what the config gives it now."""
    plan = plan_of(config, folder, progress)[0]
    check_sound(make_plan(config), RunFolder(folder))
    for row in plan:
        if row["state"] != DONE:
            raise UnfinishedError.of(folder, str(row["node"]))
    with only_one(folder):
        read_ledger(folder)
        exchange_card(config, RunFolder(folder).inputs / SOURCES)
        keep(folder, {CONFIG: dump_toml(config)})


def keep_config(config: Config, folder: Path) -> None:
    """Makes this the config of a run, whose rows it does not touch: see `resolve_config`. A judge's card that it names anew is read."""
    with only_one(folder):
        # Raises where it is damaged: what is not known cannot be kept.
        read_ledger(folder)
        with saved_config(folder) as saved:
            before = load_config(saved, []).evaluate.judge_card
        sources = RunFolder(folder).inputs / SOURCES
        if config.evaluate.judge_card != before or holds_another(config, sources):
            exchange_card(config, sources)
        keep(folder, {CONFIG: dump_toml(config)})


class Planned(NamedTuple):
    """A run that has not been gone on with. states: of its stages, in their order."""

    states: list[dict[str, object]]
    project: Project
    engines: Engines

    @property
    def memory(self) -> list[Moment] | None:
        """What the model takes of a GPU in what is to run; see `pipeline.memory.moments_of`."""
        nodes = [str(row["node"]) for row in self.states if row["state"] != DONE]
        return moments_of(self.project, self.engines, {node.partition("/")[0] for node in nodes})


@contextmanager
def planned(
    config: Config, folder: Path, progress: Progress, *, retry_missing: bool = False
) -> Iterator[Planned]:
    """The stages of a run with their states, and its input while that is read; nothing is written."""
    require_one_process()
    run, plan = RunFolder(folder), make_plan(config)
    check_files(config, run.path)
    notes = recognised(config, noted(run), progress.say)
    engines = Engines(config, fingerprints(notes))
    with tempfile.TemporaryDirectory() as place:
        project = _checked(plan, config, engines, run, Path(place), progress)
        found = states(plan, project, engines, run, retry_missing=retry_missing)
        to_run = {s.kind for s, row in zip(plan, found, strict=True) if row["state"] != DONE}
        _say(warnings_of(project, engines, to_run), progress)
        yield Planned(found, project, engines)


def plan_of(
    config: Config, folder: Path, progress: Progress, *, retry_missing: bool = False
) -> tuple[list[dict[str, object]], dict[str, object], list[Moment] | None]:
    """The stages of a run with their states, how much work the input means, and memory; nothing is written."""
    with planned(config, folder, progress, retry_missing=retry_missing) as found:
        return found.states, planned_work(found.project), found.memory


def check_servers(config: Config, plan: Iterable[Mapping[str, object]]) -> None:
    """Raises ServerError for a server that is needed for what a plan has to run, and that is not there."""
    nodes = (str(row["node"]) for row in plan if row["state"] != DONE)
    for said in missing_servers(config, {node.partition("/")[0] for node in nodes}):
        raise ServerError(said)


def _say(sentences: Iterable[str], progress: Progress) -> None:
    for sentence in sentences:
        progress.say(f"warning: {sentence}")


def _has_made_anything(run: RunFolder) -> bool:
    """Whether a stage has left more than a note of what it began with: a row, or a reply that it was given."""
    files = (path for stage in STAGES for path in (run.path / stage).rglob("*"))
    return any(p.name != MARKER and p.is_file() and p.stat().st_size for p in files)


def _forget(run: RunFolder) -> None:
    """Takes back a run that has made nothing, so that a corrected config is no other one."""
    for name in (*STAGES, INPUTS, *OWN_FILES):
        remove(run.path / name)


def _leave_nothing(run: RunFolder) -> None:
    """Takes back what a first call has made that is refused."""
    if not is_run(run.path) and not has_stages(run.path):
        shutil.rmtree(run.inputs, ignore_errors=True)
        (run.path / LOCK).unlink(missing_ok=True)
        if not any(run.path.iterdir()):
            run.path.rmdir()


def _checked(
    chosen: Sequence[Stage],
    config: Config,
    engines: Engines,
    run: RunFolder,
    place: Path,
    progress: Progress,
) -> Project:
    """What the user brings, read into `place`. What can be known to be wrong of a run is found here, before anything is paid for."""
    engines.check(*config.asked.values())
    if config.run.cap.money is not None and all(m.price.is_free for m in config.asked.values()):
        said = "run.cap.money: no model that a run asks has a price to count by; set model.price, or leave the cap out"
        raise InputError(said, kind="broken_rule", key="run.cap.money")
    quality_of(config, engines)
    loss_named(config.rl.loss)
    kinds = {stage.kind for stage in chosen}
    if kinds & {"pack", *TRAININGS}:
        check_checkpoint(engines.checkpoint(config.model))
    if kinds & TRAININGS:
        check_packages()
    plan, names = make_plan(config), {stage.name for stage in chosen}

    def check(project: Project) -> None:
        project.templates.check_scale(config.judge.low, config.judge.high)
        scale_of(config.judge, templates=project.templates)
        vetoes(config.judge, project.spec)
        if "rl" in kinds:
            check_drawable(project)
            golden_of_training(project)
            check_second(config, engines)
        if "admit" in kinds:
            golden_of(project)
        rows = states(plan, project, engines, run)
        todo = {str(row["node"]) for row in rows if row["state"] != DONE} & names
        check_rendered(project, engines, {name.partition("/")[0] for name in todo}, progress)

    return bring_in(config, place, engines.budget(), progress, check)


def resolve_config(
    config: Config | Path | None, folder: Path, overrides: Sequence[str], *, redo: bool
) -> Config:
    """The config of this call. A run folder belongs to one config: another one is refused unless `redo`.

    config: None is the one that the folder was started with. overrides: `a.b=c`, over the settings of a file.
    """
    if not has_config(folder):
        # Of a folder that has lost both, the manifests tell what is done.
        is_ours = is_run(folder) or has_stages(folder)
        if is_ours and config is not None:
            return with_day(pinned(_loaded(config, overrides)))
        if is_ours:
            raise no_run(folder)
        check_unused(folder)
        if config is None:
            said = f"{folder}: no run has been started here; name its config (dalign run dalign.toml --run {quote(str(folder))})"
            raise InputError(said, kind="no_run", path=folder)
        return with_day(pinned(_loaded(config, overrides)))
    if config is not None:
        wanted = _loaded(config, overrides)
    else:
        with saved_config(folder) as saved:
            wanted = load_config(saved, overrides)
    earlier = started_with(folder)
    wanted = pinned(wanted, earlier)
    if earlier is not None:
        wanted = with_day_of(wanted, earlier)
    check_same(wanted, folder, redo=redo)
    return with_day(wanted)


def check_unused(folder: Path) -> None:
    """Raises InputError for a folder with files that are no run's: none has been started in it."""
    if not folder.is_dir():
        return
    # Inputs that a killed call left have a record, or are being made.
    inputs = folder / INPUTS
    is_ours = not inputs.exists() or any((inputs / name).exists() for name in (SOURCES, "new"))
    if not is_ours or any(path.name not in _BEFORE for path in folder.iterdir()):
        said = (
            f"{folder}: this folder is not empty and is no run folder; name another one with --run"
        )
        raise InputError(said, kind="no_run", path=folder)


def pinned(config: Config, earlier: Config | None = None) -> Config:
    """The config with what it leaves open as the run was started, or else as this machine has it: devices and dtypes.

    With data.limit, it is that of a trial. A model that runs elsewhere, and is not trained here, has none.
    """
    found = {}
    for key in MODELS_OF_CONFIG:
        model: Model | None = getattr(config, key)
        before: Model | None = None if earlier is None else getattr(earlier, key)
        if model is None or not (model.engine in CHECKPOINT_ENGINES or model.checkpoint):
            continue
        # On another device, the dtype is another question.
        if before is not None and model.device in (AUTO, before.device):
            kept = {n: getattr(before, n) for n in ("device", "dtype") if getattr(model, n) == AUTO}
            model = model.model_copy(update=kept)
        found[key] = settled(model)
    return config.model_copy(update=found).limited


def _loaded(config: Config | Path, overrides: Sequence[str]) -> Config:
    if isinstance(config, Path):
        return load_config(checked_config(config), overrides)
    if overrides:
        said = f"overrides {', '.join(overrides)}: they go over a config file; give its path, or change the config itself"
        raise InputError(said, kind="overrides", value=list(overrides))
    return config


def check_same(wanted: Config, folder: Path, *, redo: bool) -> None:
    """Raises ChangedConfigError where the folder's run was started with another config, unless `redo`."""
    if redo:
        return
    with saved_config(folder) as saved:
        changed = changed_keys(load_config(saved, []), wanted)
    changed = [text for text in changed if not text.startswith(FREE_KEYS)]
    if changed:
        said = f"{folder}: this run was started with another config; changed: {'; '.join(changed)}; use another --run folder, or --redo to run again what these settings touch"
        raise ChangedConfigError(said, path=folder, value=changed)


def other_settings(folder: Path, config: Config) -> list[str]:
    """What the config of a trial says otherwise, but for the number of its rows and what changes none of them."""
    with saved_config(folder) as saved:
        tried = load_config(saved, [])
    data = config.data.model_copy(update={"limit": tried.data.limit})
    wanted = config.model_copy(update={"data": data}).limited
    changed = changed_keys(tried, pinned(wanted, tried))
    return [text for text in changed if not text.startswith(FREE_KEYS)]


def _elapsed_before(run: RunFolder) -> float:
    """Seconds of earlier calls; none where nothing can be trusted to tell."""
    try:
        return run.elapsed_s
    except InputError:
        return 0.0
