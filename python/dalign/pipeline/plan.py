"""The plan of a run: its stages, each after what it needs, and what is done of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from dalign.config import Config
from dalign.errors import InputError
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Stage
from dalign.store.damage import KIND
from dalign.store.run import RunFolder
from dalign.vocabulary import STAGES


def make_plan(config: Config) -> list[Stage]:
    """The stages of the config's arms, each after what it needs; first in the list is first to be run.

    The variants of stage NAME that some arms need are said by `stages` in `pipeline/stages/NAME.py`.
    """
    arms = config.evaluate.arms
    modules = (import_module(f"dalign.pipeline.stages.{name}") for name in STAGES)
    return [stage for module in modules for stage in module.stages(arms)]


def is_done(stage: Stage, project: Project, engines: Engines, run: RunFolder) -> bool:
    """Whether a stage has finished with the inputs that config and earlier stages give it now."""
    if any(run.stage(need).manifest() is None for need in stage.needs):
        return False
    return run.stage(stage.name).is_done(stage.inputs(project, engines, run))


def choose(plan: Sequence[Stage], kind: str, variant: str | None) -> list[Stage]:
    """All variants of a stage, or one. Raises InputError naming those that there are."""
    of_kind = [stage for stage in plan if stage.kind == kind]
    chosen = [stage for stage in of_kind if variant in (None, stage.variant)]
    if not chosen:
        known = ", ".join(stage.variant for stage in of_kind) or "none"
        raise InputError(
            f"the config's arms need no {kind}/{variant or '…'} (variants of {kind}: {known}); see evaluate.arms",
            kind="no_such_stage",
            value=variant,
        )
    return chosen


def planned_work(project: Project) -> dict[str, object]:
    """How much a whole run of the project makes, in rows."""
    config = project.config
    completions = project.prompts.rows * config.generate.n
    evaluated = sum(suite.rows for suite in project.suites.values())
    return {
        "prompts": project.prompts.rows,
        "completions": completions,
        "judgements_at_most": completions * config.judge.k,
        "rl_completions_an_arm": config.rl.steps
        * config.rl.prompts_per_step
        * config.rl.group_size,
        "evaluated_completions_an_arm": evaluated * config.evaluate.samples,
        "categories": list(project.spec.names),
    }


def states(
    plan: Sequence[Stage], project: Project, engines: Engines, run: RunFolder
) -> list[dict[str, object]]:
    """Each stage of a plan: its name, whether it is done or damaged, and what it waits for."""

    def state(stage: Stage) -> str:
        if run.stage(stage.name).faults():
            return "damaged: redo"
        try:
            return "done" if is_done(stage, project, engines, run) else "to run"
        except InputError as error:
            # What it needs is damaged, so that nobody knows yet.
            if error.kind != KIND:
                raise
            return "to run"

    return [{"node": s.name, "state": state(s), "needs": list(s.needs)} for s in plan]
