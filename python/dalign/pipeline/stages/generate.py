"""generate: n completions a prompt, the policy of its category in the system prompt."""

from __future__ import annotations

import polars as pl

from dalign import generate
from dalign.models.ask import Ask, words_of
from dalign.models.protocol import Sampling
from dalign.models.samples import EQUAL, SAMPLED, equal_samples, tell_equal
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, shown_of
from dalign.pipeline.stage import Inputs, Stage, chunk_rows, variants
from dalign.progress import Progress
from dalign.rows import Completion
from dalign.store.folder import Finished, Made, StageFolder
from dalign.store.parts import ROWS
from dalign.store.run import RunFolder


def inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines the completions."""
    config = project.config
    return {
        "model": engines.fingerprint(config.model),
        "prompts": project.prompts.sha256,
        "shown": shown_of(project, project.prompts),
        "templates": project.templates.sha256,
        "settings": config.generate.model_dump(),
        "seed": config.run.seed,
    }


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """Completions, chunk by chunk of prompts."""
    settings, prompts = project.config.generate, project.prompts
    drawn = Sampling(settings.temperature, settings.max_new_tokens, settings.top_p)
    draws = generate.Draws(drawn, settings.n, project.config.run.seed, "generate")
    sight = generate.category_in_sight(project.spec, project.templates)
    engine = engines.open(project.config.model)
    total = prompts.rows * settings.n
    ask = Ask(engine, folder.memory(), progress=progress, name="generate", total=total)

    def chunk(number: int, rows: pl.DataFrame) -> Made:
        asked = ask.chunk(number)
        made = generate.complete(rows, sight, draws, asked)
        counts = {"rows_out": made.height, "tokens": int(made["tokens"].sum())}
        counts |= equal_samples(made["prompt_id"], made["text"], made["finish"])
        return Made({ROWS: made}, counts | {"taken_over": asked.taken_over})

    size = chunk_rows(project.config.run.part_rows, settings.n)
    counts, parts = folder.by_chunks(
        prompts.table.chunks(size),
        chunk,
        {ROWS: Completion.COLUMNS},
        lambda _, done: ask.skip(done["rows_out"]),
    )
    ask.finish(f"{counts['rows_out']} completions{words_of(counts['taken_over'])}")
    tell_equal(progress.say, counts, settings.temperature, "generate: prompts")
    sums = {n: counts[n] for n in ("rows_out", "tokens", "taken_over", SAMPLED, EQUAL)}
    return Finished({"rows_in": prompts.rows, **sums}, parts, spec_versions=project.spec.versions)


stages = variants(Stage("generate/main", (), inputs, drive))
