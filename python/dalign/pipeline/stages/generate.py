"""generate: n completions a prompt, the policy of its category in the system prompt, or nothing of it."""

from __future__ import annotations

import polars as pl

from dalign import generate
from dalign.config import Config
from dalign.models.ask import Ask, words_of
from dalign.models.protocol import Sampling
from dalign.models.samples import EQUAL, SAMPLED, equal_samples, tell_equal
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, Source, shown_of
from dalign.pipeline.spread import engine_here, spread_of
from dalign.pipeline.stage import Chunked, Inputs, Stage, chunk_rows, title_of, variants
from dalign.progress import Going, Progress
from dalign.rows import Completion, table
from dalign.store.folder import MAIN, Finished, Made, StageFolder
from dalign.store.parts import ROWS
from dalign.store.run import RunFolder
from dalign.vocabulary import BARE


def inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines the completions."""
    config = project.config
    if project.brought is not None:
        return {
            "brought": project.brought.sha256,
            "prompts": project.prompts.sha256,
            "reasoning": config.model.reasoning.model_dump(),
            "model": engines.fingerprint(config.model),
        }
    return {
        "model": engines.fingerprint(config.model),
        "prompts": project.prompts.sha256,
        "shown": shown_of(project, project.prompts),
        "templates": project.templates.sha256,
        "settings": config.generate.model_dump(),
        "seed": config.run.seed,
    }


def bare_inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines the completions without the policy: nothing of it."""
    config = project.config
    return {
        "model": engines.fingerprint(config.model),
        "prompts": project.prompts.sha256,
        "settings": {**config.generate.model_dump(), "n": config.select.shift_n},
        "seed": config.run.seed,
    }


# By variant: what of the policy is in sight, how many completions a prompt has, and what tells their ids from others.
_SIGHT = {MAIN: "category", BARE: "none"}
_DRAWN = {MAIN: "generate", BARE: BARE}


def _draws(config: Config, variant: str) -> generate.Draws:
    settings, n = config.generate, config.select.shift_n if variant == BARE else config.generate.n
    drawn = Sampling(settings.temperature, settings.max_new_tokens, settings.top_p)
    return generate.Draws(drawn, n, config.run.seed, _DRAWN[variant])


def chunked(project: Project, variant: str, ask: Ask) -> Chunked:
    """Completions, chunk by chunk of prompts."""
    prompts, draws = project.prompts.table, _draws(project.config, variant)
    sight = generate.SIGHTS[_SIGHT[variant]](project.spec, project.templates)

    def make(number: int, rows: pl.DataFrame) -> Made:
        asked = ask.chunk(number)
        made = generate.complete(rows, sight, draws, asked)
        counts = {"rows_out": made.height, "tokens": int(made["tokens"].sum())}
        counts |= equal_samples(made["prompt_id"], made["text"], made["finish"])
        return Made({ROWS: made}, counts | {"taken_over": asked.taken_over})

    size = chunk_rows(project.config.run.part_rows, draws.n)
    return Chunked(lambda: prompts.chunks(size), lambda n: prompts.slice(n * size, size), make, ask)


def on_worker(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Chunked:
    """The same, for one that works on chunks beside others."""
    engine = engines.open(project.config.model)
    return chunked(project, folder.variant, Ask(engine, folder.memory(), progress=progress))


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """Completions, chunk by chunk of prompts."""
    if project.brought is not None:
        return _take_over(project, project.brought, engines, folder, progress)
    config, prompts, name = project.config, project.prompts, title_of(folder)
    total = prompts.rows * _draws(config, folder.variant).n
    engine = engine_here(config, engines, config.model)
    ask = Ask(engine, folder.memory(), progress=progress, name=name, total=total)
    work = chunked(project, folder.variant, ask)
    counts, parts = folder.by_chunks(
        work.all(),
        work.make,
        {ROWS: Completion.COLUMNS},
        lambda _, done: ask.skip(done["rows_out"]),
        spread_of(project, engines, folder, ask, lambda made: (made["rows_out"], made["tokens"])),
    )
    ask.finish(f"{counts['rows_out']} completions{words_of(counts['taken_over'])}")
    tell_equal(progress.say, counts, config.generate.temperature, f"{name}: prompts")
    sums = {n: counts[n] for n in ("rows_out", "tokens", "taken_over", SAMPLED, EQUAL)}
    versions = None if folder.variant == BARE else project.spec.versions
    return Finished({"rows_in": prompts.rows, **sums}, parts, spec_versions=versions)


def _take_over(
    project: Project, brought: Source, engines: Engines, folder: StageFolder, progress: Progress
) -> Finished:
    """Completions that were made elsewhere, in the order of the prompts; nobody is asked."""
    prompts, size = project.prompts, project.config.run.part_rows
    going, writer = Going(progress, "generate", prompts.rows), folder.writer(size)
    for rows in going.over(prompts.table.chunks(size, ["id", "category"])):
        wanted = pl.col("prompt_id").is_in(rows["id"].implode())
        mine = brought.table.scan().filter(wanted).collect()
        writer.add(generate.brought(rows, mine, engines.form))
    writer.end(table(Completion.COLUMNS))
    going.finish(f"{writer.written} completions were made elsewhere")
    counts = {"rows_in": prompts.rows, "rows_out": writer.written, "tokens": 0, "taken_over": 0}
    return Finished(counts, writer.digests, spec_versions=project.spec.versions)


stages = variants(
    Stage(f"generate/{MAIN}", (), inputs, drive),
    Stage(f"generate/{BARE}", (), bare_inputs, drive),
)
