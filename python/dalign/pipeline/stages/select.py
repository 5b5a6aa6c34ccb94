"""select: the examples: well judged, each once, enough of each category, the policy taken out."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from dalign import select as select_stage
from dalign.config import Select
from dalign.errors import QuotaError
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, shown_of
from dalign.pipeline.shifts import shifts_in
from dalign.pipeline.stage import Inputs, Stage, beside_prompts, variants
from dalign.progress import Going, Progress
from dalign.rows import SCORES, SHIFTS, Dropped, Example, Shift, own_words, table
from dalign.store.folder import MAIN, Finished, StageFolder
from dalign.store.parts import DROPPED
from dalign.store.run import RunFolder
from dalign.vocabulary import BARE


def inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines the examples."""
    config, bare = project.config, {}
    if config.select.by_shift:
        of = {kind: run.stage(f"{kind}/{BARE}").output_sha256() for kind in ("filter", "judge")}
        bare = {BARE: {**of, "scale": [config.judge.low, config.judge.high]}}
    return {
        **bare,
        "filter": run.stage("filter").output_sha256(),
        "judge": run.stage("judge").output_sha256(),
        "shown": shown_of(project, project.prompts),
        "templates": project.templates.sha256,
        "settings": config.select.identity,
        "prompts": project.prompts.sha256,
        "seed": config.run.seed,
    }


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """The choice among all judged completions, made by two readings."""
    config, prompts, size = project.config, project.prompts, project.config.run.part_rows
    parsed, scores = run.stage("filter").made(), run.stage("judge").made(SCORES)
    # For what the choice needs, for the examples, and where near ones are looked for, for these and their texts.
    readings = 2 if config.select.near is None else 4
    going = Going(progress, "select", readings * parsed.height())
    shifts = shifts_in(run, prompts, config.judge) if config.select.by_shift else None

    def parts() -> Iterator[pl.DataFrame]:
        rows = beside_prompts(parsed.chunks(size), prompts.table.chunks(size))
        return _judged(going.over(rows), scores.chunks(size))

    try:
        chosen = _chosen(project, parts, shifts)
    except QuotaError as error:
        told = f"{error} (reasons of the dropped rows: {_reasons(run)})"
        raise error.worded(told) from error
    for sentence in _warnings(chosen, config.select, run):
        progress.say(f"warning: {sentence}")
    beside = {} if shifts is None else _write_shifts(shifts, folder, size, progress)
    digests = _write(chosen, folder, size)
    made = chosen.counts["rows_out"]
    going.finish(f"{made} examples of {chosen.rows} well-formed completions")
    counts = {**chosen.counts, "short": chosen.short, "short_clauses": chosen.short_clauses}
    return Finished(counts | beside, digests, spec_versions=project.spec.versions)


def _chosen(
    project: Project, parts: select_stage.Parts, shifts: pl.DataFrame | None
) -> select_stage.Selection:
    config, prompts = project.config, project.prompts
    # A trial is to come to its end, whatever its few rows are worth.
    is_scored = config.data.examples is None and config.data.limit is None
    return select_stage.select(
        parts,
        config.select,
        categories=prompts.categories,
        clauses=prompts.clauses,
        spec_texts={
            name: project.templates.spec(project.spec, name) for name in prompts.categories
        },
        seed=config.run.seed,
        least=config.select.threshold if is_scored else None,
        shifts=shifts,
    )


def _write_shifts(
    shifts: pl.DataFrame, folder: StageFolder, size: int, progress: Progress
) -> dict[str, int]:
    """Writes the shifts of all prompts, and says of how many none is known."""
    writer, unknown = folder.writer(size, SHIFTS), shifts["shift"].null_count()
    writer.add(shifts)
    writer.end(table(Shift.COLUMNS))
    if unknown:
        progress.say(
            f"warning: select: {unknown} of {shifts.height} prompts have no shift, as no completion with the policy in sight, or none without, has a score; they come last"
        )
    return {"without_shift": unknown}


def _write(chosen: select_stage.Selection, folder: StageFolder, size: int) -> list[str]:
    """Writes the examples and what was dropped; the digests of the examples' parts."""
    kept, gone = folder.writer(size), folder.writer(size, DROPPED)
    for examples in chosen.examples():
        kept.add(examples)
    for dropped in chosen.dropped():
        gone.add(dropped)
    kept.end(table(Example.COLUMNS))
    gone.end(table(Dropped.COLUMNS))
    return kept.digests


def _judged(
    chunks: Iterator[pl.DataFrame], scores: Iterator[pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    for chunk, judged in zip(chunks, scores, strict=True):
        asked = own_words(chunk["messages"]).alias("asked")
        yield chunk.with_columns(judged["score"], judged["n_valid"], asked)


def _warnings(chosen: select_stage.Selection, wanted: Select, run: RunFolder) -> Iterator[str]:
    for name, count in chosen.short.items():
        yield f"category '{name}' has {count} examples, select.quota = {wanted.quota}"
    for name, count in chosen.short_clauses.items():
        yield f"clause '{name}' has {count} examples, select.clause_quota = {wanted.clause_quota}"
    if not chosen.counts["rows_out"]:
        yield f"no example is left (reasons of the dropped rows: {_reasons(run)})"


def _reasons(run: RunFolder) -> str:
    """How many completions fell where, so that a quota error says what to mend."""
    dropped = run.stage("filter").table(DROPPED).frame(["reason"])["reason"]
    states = run.stage("judge").recorded("counts").get("states", {})
    named = [f"{count} {reason}" for reason, count in dropped.value_counts(sort=True).iter_rows()]
    return ", ".join(
        [*(named or ["0 filtered out"]), *(f"{n} verdicts {state}" for state, n in states.items())]
    )


# Without select.by = 'policy-shift' the plan has no bare completions, and nothing waits for them.
NEEDS = tuple(f"{kind}/{variant}" for variant in (MAIN, BARE) for kind in ("filter", "judge"))
stages = variants(Stage("select/main", NEEDS, inputs, drive))
