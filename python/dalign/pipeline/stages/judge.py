"""judge: k verdicts a completion, the reasoning in sight."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from functools import partial

import polars as pl

from dalign.judge.forms.score import Judging, questions_of
from dalign.judge.scale import needed, reliability
from dalign.models.ask import Ask, words_of
from dalign.models.protocol import Engine
from dalign.models.samples import equal_samples, tell_equal
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import judge_inputs, judging_of, scale_of
from dalign.pipeline.project import Project
from dalign.pipeline.spread import engine_here, spread_of
from dalign.pipeline.stage import (
    Chunked,
    Inputs,
    Stage,
    beside_prompts,
    chunk_rows,
    prompts_beside,
    title_of,
    variants,
)
from dalign.progress import Progress
from dalign.rows import OK, SCORES, Score, table
from dalign.store.folder import MAIN, Finished, Made, StageFolder
from dalign.store.parts import ROWS, Table
from dalign.store.run import RunFolder
from dalign.vocabulary import BARE

_STATE = "state "
# Counts: judgements that were not asked, as they could change nothing; those that a trial would have needed.
SPARED, NEEDED = "spared", "needed"


def inputs(project: Project, engines: Engines, run: RunFolder, variant: str = MAIN) -> Inputs:
    """What determines the verdicts."""
    are_examples = project.config.data.examples is not None
    least = project.config.stops_below
    return {
        "filter": run.stage(f"filter/{variant}").output_sha256(),
        "prompts": project.prompts.sha256,
        "judge": None if are_examples else judge_inputs(project, engines, project.prompts),
        **({} if least is None else {"stops_below": least}),
    }


def _judging(project: Project, engine: Engine) -> Judging:
    judging = judging_of(project.config, engine, project.spec, project.templates)
    return replace(judging, least=project.config.stops_below)


def counts_of(verdicts: pl.DataFrame) -> dict[str, int]:
    """How many verdicts there are, are in each state, and are samples."""
    states = verdicts["state"].value_counts().iter_rows()
    same = equal_samples(verdicts["completion_id"], verdicts["reply"], verdicts["state"])
    of_states = {_STATE + state: count for state, count in states}
    return {"verdicts": verdicts.height, **same, **of_states}


def chunked(project: Project, parsed: Table, judging: Judging, ask: Ask, reasons: bool) -> Chunked:
    """Verdicts and scores, chunk by chunk of completions. reasons: whether the model that made them does."""
    prompts = project.prompts.table
    size, told = (
        chunk_rows(project.config.run.part_rows, judging.scale.k),
        project.config.judge.hint,
    )

    def make(number: int, rows: pl.DataFrame) -> Made:
        asked = ask.chunk(number)
        verdicts, scores = judging(questions_of(rows, reasoning=reasons, hint=told), asked)
        rows_out = scores["score"].count()
        counts = {"rows_out": rows_out, "taken_over": asked.taken_over, **counts_of(verdicts)}
        if judging.least is not None:
            counts[SPARED] = rows.height * judging.scale.k - verdicts.height
            ask.spare(counts[SPARED])
        elif project.config.judge.early_stop:
            counts[NEEDED] = needed(verdicts, judging.scale, project.config.select.threshold)
        return Made({ROWS: verdicts, SCORES: scores}, counts)

    return Chunked(
        lambda: beside_prompts(parsed.chunks(size), prompts.chunks(size)),
        lambda number: prompts_beside(parsed.slice(number * size, size), prompts),
        make,
        ask,
    )


def on_worker(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Chunked:
    """The same, for one that works on chunks beside others."""
    engine = engines.open(project.config.judge_of_record)
    judging = _judging(project, engine)
    ask = Ask(engine, folder.memory(), progress=progress)
    return chunked(project, _parsed(run, folder), judging, ask, engines.reasoning.reasons)


def _parsed(run: RunFolder, folder: StageFolder) -> Table:
    return run.stage(f"filter/{folder.variant}").made()


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """Verdicts and scores, chunk by chunk of completions."""
    if project.config.data.examples is not None:
        return _without_verdicts(project, run, folder)
    config, parsed, name = project.config, _parsed(run, folder), title_of(folder)
    rows_in = parsed.height()
    engine = engine_here(config, engines, config.judge_of_record)
    judging = _judging(project, engine)
    k = judging.scale.k
    ask = Ask(engine, folder.memory(), progress=progress, name=name, total=rows_in * k)
    work = chunked(project, parsed, judging, ask, engines.reasoning.reasons)
    counts, parts = folder.by_chunks(
        work.all(),
        work.make,
        {ROWS: judging.scale.columns, SCORES: judging.scale.score_columns},
        lambda _, done: _go_on(ask, done),
        spread_of(project, engines, folder, ask, lambda made: (made["verdicts"], 0)),
    )
    states = _states(counts)
    failed = counts["verdicts"] - states.get(OK, 0)
    over = words_of(counts["taken_over"])
    spared = f", {counts[SPARED]} more not needed" if SPARED in counts else ""
    ask.finish(f"{counts['verdicts']} verdicts{over}, {failed} without a score{spared}")
    tell_equal(progress.say, counts, config.judge.temperature, f"{name}: completions")
    made = {"rows_in": rows_in, "rows_out": 0, "verdicts": 0, "taken_over": 0, **counts}
    # Those that were asked k times are those that nothing spoke against: they tell nothing of the judge.
    agreement = dict.fromkeys(("alpha", "split_half"))
    if not counts.get(SPARED):
        agreement = reliability(folder.table().frame(["score"])["score"], k, config.run.seed)
    said = {**made, "states": states, "reliability": agreement}
    return Finished(said, parts, spec_versions=project.spec.versions)


def _go_on(ask: Ask, done: Mapping[str, int]) -> None:
    """Notes the judgements of an earlier call of the program, and those that need not be made."""
    ask.skip(done["verdicts"])
    ask.spare(done.get(SPARED, 0))


def _states(counts: MutableMapping[str, int]) -> dict[str, int]:
    """How many verdicts are of each state, taken out of the counts."""
    named = [name for name in sorted(counts) if name.startswith(_STATE)]
    return {name.removeprefix(_STATE): counts.pop(name) for name in named}


def _without_verdicts(project: Project, run: RunFolder, folder: StageFolder) -> Finished:
    """Of examples that were made elsewhere: a score that is none, of each; nobody is asked."""
    parsed, size = _parsed(run, folder), project.config.run.part_rows
    verdicts, scores = folder.writer(size), folder.writer(size, SCORES)
    none = {"score": pl.lit(None, pl.Float64), "n_valid": pl.lit(0, pl.UInt32)}
    for rows in parsed.chunks(size, ["id", "category"]):
        scores.add(rows.rename({"id": "completion_id"}).with_columns(**none))
    verdicts.end(table(scale_of(project.config.judge).columns))
    scores.end(table(Score.COLUMNS))
    counts = dict.fromkeys(("rows_out", "verdicts", "taken_over"), 0)
    unknown = {"states": {}, "reliability": {"alpha": None, "split_half": None}}
    said = {"rows_in": parsed.height(), **counts, **unknown}
    return Finished(said, [*verdicts.digests, *scores.digests], spec_versions=project.spec.versions)


stages = variants(
    *(
        Stage(f"judge/{each}", (f"filter/{each}",), partial(inputs, variant=each), drive)
        for each in (MAIN, BARE)
    )
)
