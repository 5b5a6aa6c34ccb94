"""rl: reinforces the base (`rl/rl`) or the SFT checkpoint (`rl/sft+rl`) by what the judge says of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from dalign.config import Rl
from dalign.judge.answers import AnswerJudge
from dalign.models.ask import Ask
from dalign.models.checkpoint import fingerprint
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import judge_inputs, judging_of
from dalign.pipeline.project import Project
from dalign.pipeline.rollout_log import RolloutLog
from dalign.pipeline.stage import Inputs, Stage, trainings
from dalign.pipeline.training import FINAL, Steps, use_threads, write_curve
from dalign.progress import Progress
from dalign.rows import Prompt
from dalign.store.folder import Finished, StageFolder
from dalign.store.parts import Table
from dalign.store.run import RunFolder
from dalign.train.checkpoints import forget_result
from dalign.train.job import ReplayRow, RlJob
from dalign.train.rl.draw import draw_prompts
from dalign.train.rl.replay import read_replayed
from dalign.train.rl.rewards import CompositeReward, RewardWeights
from dalign.train.run import train_rl

AFTER_SFT = "sft+rl"


def inputs(project: Project, engines: Engines, run: RunFolder, arm: str) -> Inputs:
    """What determines an RL checkpoint."""
    config, model = project.config, project.config.model
    settings = settings_of(config.rl, arm)
    after_sft = arm == AFTER_SFT
    return {
        "arm": arm,
        "start": run.stage("sft/sft").output_sha256() if after_sft else engines.fingerprint(model),
        "replay": run.stage("pack").output_sha256() if settings.replay > 0 else None,
        "prompts": project.rl_prompts.sha256,
        # The suite whose patterns tell the truth of rollouts: the first that has some, in the config's order.
        "patterns": next(iter(project.patterns), None),
        "settings": settings.model_dump(),
        "reasoning": model.reasoning.model_dump(),
        "device": model.device,
        "dtype": model.dtype,
        "threads": config.run.threads,
        "judge": judge_inputs(project, engines, project.rl_prompts),
    }


def settings_of(settings: Rl, arm: str) -> Rl:
    """The settings of an RL arm: the one without SFT has no SFT rows to replay."""
    return settings if arm == AFTER_SFT else settings.model_copy(update={"replay": 0.0})


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """A checkpoint in `final`, every rollout as a row."""
    config, model, prompts = project.config, project.config.model, project.rl_prompts
    settings = settings_of(config.rl, folder.variant)
    start = (
        run.stage("sft/sft").checked(FINAL)
        if folder.variant == AFTER_SFT
        else engines.checkpoint(model)
    )
    drawn = drawn_prompts(prompts.table, settings, config.run.seed)
    replayed: Sequence[Sequence[ReplayRow]] = ()
    if settings.replay > 0:
        packed, each = run.stage("pack").made().checked(), settings.replay_rows
        replayed = read_replayed(packed, steps=settings.steps, per_step=each, seed=config.run.seed)
    engine = engines.open(config.judge_of_record)
    judging = judging_of(config, engine, project.spec, project.templates, settings.judge_k)
    judge = AnswerJudge(judging, Ask(engine))
    patterns = next(iter(project.patterns.values()), None)
    log = RolloutLog(folder, judge, patterns, {p.id: p for step in drawn for p in step})
    if not log.is_whole():
        forget_result(folder.path)
    job = RlJob(
        start=start, prompts=drawn, out=folder.path, settings=settings, seed=config.run.seed,
        reasoning=model.reasoning,
        replayed=replayed,
        device=model.device, dtype=model.dtype, trust_remote_code=model.trust_remote_code, keeper=log, loss=settings.loss,
    )  # fmt: skip
    use_threads(config.run.threads)
    weights = RewardWeights(
        settings.judge_weight, settings.heuristic_weight, settings.format_weight
    )
    opened = engines.opened(by_the_engine=False)
    reward = CompositeReward(judge, weights, model.reasoning, opened=opened)
    # The policy loss is 0 by construction where a step makes one update: the reward says how it goes.
    result = train_rl(job, reward, Steps(progress, folder.name, lambda _loss: log.last_reward))
    write_curve(folder, result)
    digest = folder.table().write(0, log.rows())
    log.done()
    counts = {"rows_in": prompts.rows, "rows_out": log.rows_written, "steps": len(result.curve)}
    facts = {
        "checkpoint": fingerprint(result.final),
        "judge_states": dict(sorted(judge.states.items())),
    }
    return Finished(counts, [digest], facts, project.spec.versions)


def drawn_prompts(prompts: Table, settings: Rl, seed: int) -> list[list[Prompt]]:
    """The prompts of each step; of the others only what the draw looks at is read."""
    drawn = draw_prompts(
        prompts.frame(["id", "category", "ruling", "clause"]),
        steps=settings.steps,
        per_step=settings.prompts_per_step,
        seed=seed,
        balance=settings.balance,
    )
    wanted = sorted({position for step in drawn for position in step})
    rows = prompts.scan().with_row_index("position").filter(pl.col("position").is_in(wanted))
    read = dict(zip(wanted, Prompt.read(rows.collect()), strict=True))
    return [[read[position] for position in step] for step in drawn]


def stages(arms: Sequence[str]) -> list[Stage]:
    """A stage for each arm that is reinforced."""
    return [
        Stage(
            f"rl/{arm}", ("sft/sft",) if arm == AFTER_SFT else (), partial(inputs, arm=arm), drive
        )
        for arm in trainings("rl", arms)
    ]
