"""rl: reinforces the base (`rl/rl`) or another arm's checkpoint (`rl/sft+rl`) by what the judge says of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dalign.config import Config, Rl
from dalign.errors import InputError
from dalign.judge.answers import AnswerJudge
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging
from dalign.models.ask import Ask
from dalign.models.fingerprint import fingerprint
from dalign.models.render import Renderer
from dalign.pipeline.engines import Engines
from dalign.pipeline.golden import golden_of_training
from dalign.pipeline.judging import judge_inputs, judging_of
from dalign.pipeline.oversight import GoldenAgain, Oversight
from dalign.pipeline.project import Project
from dalign.pipeline.rollout_log import RolloutLog
from dalign.pipeline.stage import Inputs, Stage, start_of
from dalign.pipeline.training import (
    Steps,
    check_no_policy,
    computed,
    drawn_prompts,
    tracking_of,
    use_threads,
    write_curve,
)
from dalign.progress import Progress
from dalign.rows import row_seed
from dalign.store.folder import Finished, StageFolder
from dalign.store.run import RunFolder
from dalign.train.checkpoints import FINAL, forget_result, lacks_adapter
from dalign.train.job import ReplayRow, RlJob
from dalign.train.rl.replay import read_replayed
from dalign.train.rl.rewards import CompositeReward, RewardWeights
from dalign.train.run import train_rl
from dalign.vocabulary import trainings


def inputs(project: Project, engines: Engines, run: RunFolder, arm: str) -> Inputs:
    """What determines an RL checkpoint."""
    config, model = project.config, project.config.model
    settings, start = settings_of(config.rl, arm), start_of(arm)
    return {
        "arm": arm,
        "start": run.stage(start).output_sha256() if start else engines.fingerprint(model),
        "replay": run.stage("pack").output_sha256() if settings.replay > 0 else None,
        "prompts": project.rl_prompts.sha256,
        # The suite whose patterns tell the truth of rollouts: the first that has some, in the config's order.
        "patterns": next(iter(project.patterns_sha256.values()), None),
        "settings": settings.identity,
        "reasoning": model.reasoning.identity,
        "device": model.device,
        "dtype": model.dtype,
        "threads": config.run.threads,
        "judge": judge_inputs(project, engines, project.rl_prompts),
        **_second_inputs(project, engines),
        **computed(config),
    }


def _second_inputs(project: Project, engines: Engines) -> Inputs:
    """What determines the second judge's scores beside what the judge's are made of; nothing where there is none."""
    model, every = project.config.second_judge_model, project.config.rl.second_every
    if model is None:
        return {}
    told = [engines.fingerprint(model), model.reasoning.identity, every]
    return {"second": told}


def settings_of(settings: Rl, arm: str) -> Rl:
    """The settings of an RL arm: one without SFT has no SFT rows to replay."""
    return settings if trainings("sft", [arm]) else settings.model_copy(update={"replay": 0.0})


def check_drawable(project: Project) -> None:
    """Nothing, if rl.balance can be kept with the prompts. Raises InputError."""
    settings = project.config.rl
    if settings.balance is not None:
        one = settings.model_copy(update={"steps": 1})
        drawn_prompts(project.rl_prompts.table, one, 0, settings.balance)


def check_second(config: Config, engines: Engines) -> None:
    """Raises InputError where the second judge is the model that judges, under other settings."""
    second = config.second_judge_model
    if second is None:
        return
    if engines.fingerprint(second) == engines.fingerprint(config.judge_of_record):
        said = f"second_judge_model.path = {second.path!r} is the judge itself, whose errors it shares; name another model, or leave it out"
        raise InputError(said, kind="broken_rule", key="second_judge_model", value=second.path)


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """A checkpoint in `final`, every rollout as a row."""
    config, model, prompts = project.config, project.config.model, project.rl_prompts
    settings = settings_of(config.rl, folder.variant)
    start = start_of(folder.variant)
    drawn = drawn_prompts(prompts.table, settings, config.run.seed, settings.balance)
    by_id = {p.id: p for step in drawn for p in step}
    check_no_policy([*by_id.values()], project, engines)
    replayed: Sequence[Sequence[ReplayRow]] = ()
    if settings.replay > 0:
        packed, each = run.stage("pack").made().checked(), settings.replay_rows
        replayed = read_replayed(packed, steps=settings.steps, per_step=each, seed=config.run.seed)
    engine = engines.open(config.judge_of_record)
    judging = judging_of(config, engine, project.spec, project.templates, settings.judge_k)
    judge = AnswerJudge(judging, Ask(engine, progress=progress))
    oversight = _oversight(project, engines, judging, progress)
    patterns = next(iter(project.patterns.values()), None)
    has_length = settings.length_weight > 0
    log = RolloutLog(folder, judge, patterns, by_id, oversight, has_length=has_length)
    if not log.is_whole() or lacks_adapter(folder.path, settings.method):
        forget_result(folder.path)
    job = RlJob(
        start=run.stage(start).checked(FINAL) if start else engines.checkpoint(model),
        prompts=drawn, settings=settings, seed=config.run.seed,
        reasoning=engines.renderer.reasoning, day=model.day,
        replayed=replayed,
        device=model.device, dtype=model.dtype, attention=model.attention, trust_remote_code=model.trust_remote_code,
        devices=config.run.devices, threads=config.run.threads, tracking=tracking_of(config, run, folder),
    )  # fmt: skip
    use_threads(config.run.threads)
    reward = _reward(judge, settings, engines.renderer)
    # The policy loss is 0 by construction where a step makes one update: the reward says how it goes.
    steps = Steps(progress, folder.name, lambda _loss: log.last_reward)
    result = train_rl(job, folder.path, reward, steps, log)
    write_curve(folder, result, job, progress)
    digest = folder.table().write(0, log.rows())
    log.done(len(result.curve))
    counts: dict[str, Any] = {
        "rows_in": prompts.rows,
        "rows_out": log.rows_written,
        "steps": len(result.curve),
        **(oversight.told if oversight else {}),
    }
    states = dict(sorted(judge.states.items()))
    facts = {"checkpoint": fingerprint(result.final), "judge_states": states}
    return Finished(counts, [digest], facts, project.spec.versions)


def _oversight(
    project: Project, engines: Engines, judging: Judging, progress: Progress
) -> Oversight | None:
    """Who looks on: a second judge that is asked what the judge is asked, and the judge on the golden cases again; None: nobody."""
    config, second = project.config, None
    if (model := config.second_judge_model) is not None:
        other = engines.open(model)
        court = Court.of(other, model.reasoning, config.run.seed)
        second = AnswerJudge(replace(judging, court=court), Ask(other, progress=progress))
    golden = _golden(project, engines, judging, progress)
    return Oversight(config.rl, second, golden, progress.say) if second or golden else None


def _golden(
    project: Project, engines: Engines, judging: Judging, progress: Progress
) -> GoldenAgain | None:
    config, judge = project.config, project.config.judge_of_record
    if not (cases := golden_of_training(project)):
        return None
    engine, every = engines.open(judge, afresh=True), config.rl.readmit_every

    def court(step: int) -> Court:
        return Court.of(engine, judge.reasoning, row_seed(config.run.seed, "golden", str(step)))

    ask, times = Ask(engine, progress=progress), config.rl.steps // every
    return GoldenAgain(cases, judging, config.pass_score, ask, court, every, times)


def _reward(judge: AnswerJudge, settings: Rl, reads: Renderer) -> CompositeReward:
    """What a completion is paid, read as the model's template has it."""
    paid = (
        settings.judge_weight, settings.heuristic_weight, settings.format_weight, settings.length_weight,
    )  # fmt: skip
    opened, control = reads.opens_reasoning, reads.control
    tags = reads.reasoning
    return CompositeReward(
        judge,
        RewardWeights(*paid),
        tags,
        opened=opened,
        control=control,
        unpaid=settings.unpaid,
        slack=settings.length_slack,
    )


def stages(arms: Sequence[str]) -> list[Stage]:
    """A stage for each arm that is reinforced."""
    # The rows of pack are replayed.
    needs = {
        arm: (*filter(None, [start_of(arm)]), *(["pack/main"] if trainings("sft", [arm]) else []))
        for arm in trainings("rl", arms)
    }
    return [Stage(f"rl/{arm}", needs[arm], partial(inputs, arm=arm), drive) for arm in needs]
