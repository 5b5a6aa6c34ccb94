"""The plan of a run: its stages, each after what it needs, and what is done of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from dalign.config import Config
from dalign.errors import InputError
from dalign.store.damage import damaged, reading
from dalign.store.ledger import MODELS, read_ledger
from dalign.store.memory import lacks_replies
from dalign.store.run import RunFolder
from dalign.vocabulary import BARE, STAGES

if TYPE_CHECKING:
    from dalign.pipeline.engines import Engines
    from dalign.pipeline.project import Project
    from dalign.pipeline.stage import Stage

DONE, DAMAGED = "done", "damaged: redo"
# Whether the judge may filter and reward.
ADMIT = "admit/main"
# What is measured on data.held_out.
FORGET = "forget"


def make_plan(config: Config) -> list[Stage]:
    """The stages of the config's arms, each after what it needs; first in the list is first to be run.

    The variants of stage NAME that some arms need are said by `stages` in `pipeline/stages/NAME.py`.
    """
    arms = config.evaluate.arms
    modules = (import_module(f"dalign.pipeline.stages.{name}") for name in STAGES)
    plan = [stage for module in modules for stage in module.stages(arms)]
    if not config.select.by_shift:
        plan = _without(plan, BARE)
    if config.data.held_out is None:
        plan = [stage for stage in plan if stage.kind != FORGET]
    decides = {each.kind for each in plan if _decides(config, each.kind)}
    if config.judge.admission is None or not decides:
        return [stage for stage in plan if stage.name != ADMIT]
    return [
        replace(stage, needs=(*stage.needs, ADMIT)) if stage.kind in decides else stage
        for stage in plan
    ]


def _without(plan: Sequence[Stage], variant: str) -> list[Stage]:
    """The plan without that variant of any stage; nothing waits for it."""
    gone = {stage.name for stage in plan if stage.variant == variant}
    return [
        replace(stage, needs=tuple(need for need in stage.needs if need not in gone))
        for stage in plan
        if stage.name not in gone
    ]


def _decides(config: Config, kind: str) -> bool:
    """Whether the judge filters or rewards in a kind of stage."""
    if kind == "judge":
        return config.data.examples is None
    return kind == "rl" and config.rl.judge_weight > 0


def first_to_run(plan: Sequence[Stage], project: Project, run: RunFolder) -> str | None:
    """The first stage that is not done by what the run's folder alone tells; no file of the user's is read.

    Raises InputError for a file of a stage that is damaged or lost.
    """
    from dalign.pipeline.engines import Engines

    if missing := [stage.name for stage in plan if run.stage(stage.name).manifest() is None]:
        return missing[0]
    check_sound(plan, run)
    evaluated = next(stage for stage in reversed(plan) if stage.kind == "evaluate")
    used = run.stage(evaluated.name).recorded("inputs")
    noted, ledger = run.path / MODELS, read_ledger(run.path)
    known = {"model": used["model"], "judge": used["judge"]["model"]}
    with reading(noted):
        if ledger.holds(noted):
            known = json.loads(ledger.check(noted).read_text("utf-8"))
    engines = Engines(project.config, known)
    if project.templates.budget is None and project.config.spec.max_tokens is not None:
        # Their hash names the tokenizer that counts for the budget, which is the user's file.
        project.templates.sha256 = used["judge"]["templates"]
    told = states(plan, project, engines, run)
    return next((str(row["node"]) for row in told if row["state"] != DONE), None)


def check_sound(plan: Sequence[Stage], run: RunFolder) -> None:
    """Raises InputError for the first file of a finished stage that is damaged or lost."""
    for stage in plan:
        for path, what in run.stage(stage.name).faults():
            raise damaged(path, what)


def choose(plan: Sequence[Stage], kind: str, variant: str | None) -> list[Stage]:
    """All variants of a stage, or one. Raises InputError naming those that there are."""
    of_kind = [stage for stage in plan if stage.kind == kind]
    chosen = [stage for stage in of_kind if variant in (None, stage.variant)]
    if not chosen and kind == ADMIT.partition("/")[0]:
        said = "no judge is to be admitted in this run; set judge.admission, such as judge.admission = 0.7, in a config whose judge filters or rewards"
        raise InputError(said, kind="no_such_stage", value=kind)
    if not chosen and kind == FORGET and not of_kind:
        said = "nothing is measured in this run: set data.held_out, a file of capability rows that are not trained on, in a config with a trained arm"
        raise InputError(said, kind="no_such_stage", value=kind)
    if not chosen:
        known = ", ".join(stage.variant for stage in of_kind) or "none"
        said = f"the config's arms need no {kind}/{variant or '…'} (variants of {kind}: {known}); see evaluate.arms"
        raise InputError(said, kind="no_such_stage", value=variant)
    return chosen


def states(
    plan: Sequence[Stage],
    project: Project,
    engines: Engines,
    run: RunFolder,
    *,
    retry_missing: bool = False,
) -> list[dict[str, object]]:
    """Each stage of a plan: its name, whether it is done or damaged, and what it waits for.

    Done is what has finished with the inputs that config and earlier stages give it now; what waits for a stage that
    is to run is to run too.
    """
    told: dict[str, str] = {}
    for stage in plan:
        folder, waits = run.stage(stage.name), any(told[need] != DONE for need in stage.needs)
        told[stage.name] = "to run"
        if folder.faults():
            told[stage.name] = DAMAGED
        elif waits or (retry_missing and lacks_replies(folder.path)):
            continue
        elif folder.is_done(stage.inputs(project, engines, run)):
            told[stage.name] = DONE
    return [{"node": s.name, "state": told[s.name], "needs": list(s.needs)} for s in plan]
