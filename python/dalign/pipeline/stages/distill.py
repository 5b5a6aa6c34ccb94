"""distill: the model teaches itself, without the policy in sight, what it says with it (`distill/distill`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import polars as pl

from dalign import generate
from dalign.figures import FlipRow
from dalign.models.fingerprint import fingerprint
from dalign.pipeline.distill_log import DistillLog
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, shown_of
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
from dalign.rows import Prompt
from dalign.store.folder import Finished, StageFolder
from dalign.store.run import RunFolder
from dalign.train.checkpoints import FINAL, forget_result, lacks_adapter
from dalign.train.draw import endless
from dalign.train.job import DistillJob
from dalign.train.run import teacher_flips, train_distill
from dalign.vocabulary import trainings


def inputs(project: Project, engines: Engines, run: RunFolder, arm: str) -> Inputs:
    """What determines a distilled checkpoint."""
    config, model, start = project.config, project.config.model, start_of(arm)
    return {
        "start": run.stage(start).output_sha256() if start else engines.fingerprint(model),
        "prompts": project.prompts.sha256,
        "shown": shown_of(project, project.prompts),
        "templates": project.templates.sha256,
        "settings": config.distill.identity,
        "flip_prompts": config.distill.flip_prompts,
        "reasoning": model.reasoning.identity,
        "device": model.device,
        "dtype": model.dtype,
        "threads": config.run.threads,
        "seed": config.run.seed,
        **computed(config),
    }


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """A checkpoint in `final`, every completion as a row, and what the policy changed at the start."""
    config, model, settings = project.config, project.config.model, project.config.distill
    start = start_of(folder.variant)
    drawn = drawn_prompts(project.prompts.table, settings, config.run.seed)
    asked = flip_prompts(project, settings.flip_prompts)
    both = {p.id: p for of_step in [*drawn, asked] for p in of_step}
    check_no_policy(list(both.values()), project, engines)
    sight = generate.SIGHTS["category"](project.spec, project.templates)
    job = DistillJob(
        start=run.stage(start).checked(FINAL) if start else engines.checkpoint(model),
        prompts=drawn, settings=settings, seed=config.run.seed,
        in_sight={p.id: sight(p.category, p.messages) for p in both.values()},
        reasoning=engines.renderer.reasoning, day=model.day,
        device=model.device, dtype=model.dtype, attention=model.attention, trust_remote_code=model.trust_remote_code,
        devices=config.run.devices, threads=config.run.threads, tracking=tracking_of(config, run, folder),
    )  # fmt: skip
    log = DistillLog(folder, {p.id: p.category for p in both.values()})
    if not log.is_whole() or lacks_adapter(folder.path, settings.method):
        forget_result(folder.path)
    use_threads(config.run.threads)
    flips = teacher_flips(job, asked)
    for said in told(flips):
        progress.say(f"{folder.stage}: {said}")
    steps = Steps(progress, folder.name, lambda loss: f"divergence {loss:.3f}")
    result = train_distill(job, folder.path, steps, log)
    write_curve(folder, result, job, progress)
    digest = folder.table().write(0, log.rows())
    counts = {
        "rows_in": project.prompts.rows,
        "rows_out": log.rows_written,
        "steps": len(result.curve),
    }
    facts: dict[str, Any] = {
        "checkpoint": fingerprint(result.final),
        "flips": [row._asdict() for row in flips],
    }
    return Finished(counts, [digest], facts, project.spec.versions)


def flip_prompts(project: Project, each: int) -> list[Prompt]:
    """So many of the prompts of each clause, and of those that no clause is known of, by category; in an order of the run's seed."""
    if not each:
        return []
    rows = project.prompts.table.frame(["id", "category", "clause"])
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (_, category, clause) in enumerate(rows.iter_rows()):
        places[category, clause or ""].append(place)
    seed, found = project.config.run.seed, list[int]()
    for (category, clause), of in sorted(places.items()):
        turn = endless(of, seed, f"flips/{category}/{clause}")
        found += [next(turn) for _ in range(min(each, len(of)))]
    wanted = sorted(found)
    table = project.prompts.table.scan().with_row_index("place")
    return list(Prompt.read(table.filter(pl.col("place").is_in(wanted)).collect()))


def told(flips: Sequence[FlipRow]) -> Iterator[str]:
    """Sentences on what the policy changes before the first step: over all, then clause by clause."""
    tokens = sum(row.tokens for row in flips)
    if not tokens:
        return
    rate = sum(row.flip_rate * row.tokens for row in flips) / tokens
    yield f"with the policy in sight another token is the most likely at {rate:.1%} of {tokens} tokens that the model writes without it; where that is none, nothing is taught"
    for row in flips:
        yield f"flip rate of {row.clause or f'{row.category}, no clause'}: {row.flip_rate:.1%} of {row.tokens} tokens, {row.prompts} prompt{'s' if row.prompts != 1 else ''}, divergence {row.divergence:.3f}"


def stages(arms: Sequence[str]) -> list[Stage]:
    """A stage for each arm that is distilled."""
    needs = {arm: tuple(filter(None, [start_of(arm)])) for arm in trainings("distill", arms)}
    return [Stage(f"distill/{arm}", needs[arm], partial(inputs, arm=arm), drive) for arm in needs]
