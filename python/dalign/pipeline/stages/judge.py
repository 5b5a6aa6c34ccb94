"""judge: k verdicts a completion, the reasoning in sight."""

from __future__ import annotations

import polars as pl

from dalign.judge.forms.score import questions_of, reliability
from dalign.models.ask import Ask, words_of
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import judge_inputs, judging_of
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Inputs, Stage, beside_prompts, chunk_rows, variants
from dalign.progress import Progress
from dalign.rows import OK, SCORES, Score
from dalign.store.folder import Finished, Made, StageFolder
from dalign.store.parts import ROWS
from dalign.store.run import RunFolder

_STATE = "state "


def inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines the verdicts."""
    return {
        "filter": run.stage("filter").output_sha256(),
        "prompts": project.prompts.sha256,
        "judge": judge_inputs(project, engines, project.prompts),
    }


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """Verdicts and scores, chunk by chunk of completions."""
    config, parsed = project.config, run.stage("filter").made()
    engine = engines.open(config.judge_of_record)
    judging = judging_of(config, engine, project.spec, project.templates)
    k, rows_in = judging.scale.k, parsed.height()
    ask = Ask(engine, folder.memory(), progress=progress, name="judge", total=rows_in * k)
    sees, told = engines.reasoning.reasons, config.judge.hint

    def chunk(number: int, rows: pl.DataFrame) -> Made:
        asked = ask.chunk(number)
        verdicts, scores = judging(questions_of(rows, reasoning=sees, hint=told), asked)
        states = dict(verdicts["state"].value_counts().iter_rows())
        counts = {
            "rows_out": scores["score"].count(),
            "verdicts": verdicts.height,
            "taken_over": asked.taken_over,
        }
        counts |= {_STATE + state: count for state, count in states.items()}
        return Made({ROWS: verdicts, SCORES: scores}, counts)

    size = chunk_rows(config.run.part_rows, k)
    counts, parts = folder.by_chunks(
        beside_prompts(parsed.chunks(size), project.prompts.table.chunks(size)),
        chunk,
        {ROWS: judging.scale.columns, SCORES: Score.COLUMNS},
        lambda _, done: ask.skip(done["verdicts"]),
    )
    named = [name for name in sorted(counts) if name.startswith(_STATE)]
    states = {name.removeprefix(_STATE): counts.pop(name) for name in named}
    failed = counts["verdicts"] - states.get(OK, 0)
    over = words_of(counts["taken_over"])
    ask.finish(f"{counts['verdicts']} verdicts{over}, {failed} without a score")
    made = {"rows_in": rows_in, "rows_out": 0, "verdicts": 0, "taken_over": 0, **counts}
    agreement = reliability(folder.table().frame(["score"])["score"], k, config.run.seed)
    said = {**made, "states": states, "reliability": agreement}
    return Finished(said, parts, spec_versions=project.spec.versions)


stages = variants(Stage("judge/main", ("filter/main",), inputs, drive))
