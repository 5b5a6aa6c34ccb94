"""filter: malformed completions out, and those that break a limit."""

from __future__ import annotations

from collections import Counter
from functools import partial

import polars as pl

from dalign.config import Config, Filter
from dalign.errors import InputError
from dalign.filter.form import filter_completions
from dalign.filter.quality import DANGLING, TOKEN_MEASURES, Measuring, Quality, chosen_limits
from dalign.pipeline.engines import Engines, counting_tokenizer
from dalign.pipeline.project import Project
from dalign.pipeline.spread import spread_of
from dalign.pipeline.stage import (
    Chunked,
    Inputs,
    Stage,
    beside_prompts,
    prompts_beside,
    title_of,
    variants,
)
from dalign.progress import Going, Progress
from dalign.rows import Dropped, Parsed, own_words, table
from dalign.store.folder import MAIN, Finished, Made, StageFolder
from dalign.store.parts import DROPPED, ROWS
from dalign.store.run import RunFolder
from dalign.vocabulary import BARE

# What is read of completions, and what a chunk of them counts beside the reasons.
_READ = ("id", "prompt_id", "category", "text", "finish")
_ROWS_IN = "rows in"


def inputs(project: Project, engines: Engines, run: RunFolder, variant: str = MAIN) -> Inputs:
    """What determines which completions are kept."""
    config = project.config
    return {
        "generate": run.stage(f"generate/{variant}").output_sha256(),
        "prompts": project.prompts.sha256,
        "reasoning": config.model.reasoning.identity,
        "filter": _limits(config, variant).model_dump(),
        "model": engines.fingerprint(config.model),
        # Rows have the text as it was written too.
        "text": "written",
    }


def _limits(config: Config, variant: str) -> Filter:
    """Without the policy in sight, the same but for references to it: there is none to refer to, and nobody trains on these."""
    if variant != BARE:
        return config.filter
    kept = [each for each in config.filter.limits if each.partition("=")[0] not in DANGLING]
    return config.filter.model_copy(update={"limits": tuple(kept), "phrases": ()})


def quality_of(config: Config, engines: Engines, variant: str = MAIN) -> Quality:
    """What completions are held to. Raises InputError for a limit that there is not."""
    wanted = _limits(config, variant)
    limits = chosen_limits(wanted.limits, "filter.limits:", usual=wanted.quality)
    if variant == BARE:
        limits = {name: ends for name, ends in limits.items() if name not in DANGLING}
    counted = next((name for name in TOKEN_MEASURES if name in limits), None)
    tokenizer = counting_tokenizer(engines, config.model, counted) if counted else None
    measuring = Measuring(scripts=wanted.scripts, phrases=wanted.phrases)
    try:
        return Quality(measuring, limits, tokenizer)
    except InputError as error:
        raise error.worded(f"filter: {error}") from error


def chunked(project: Project, engines: Engines, run: RunFolder, variant: str) -> Chunked:
    """The kept ones, split into reasoning and answer, and the others; chunk by chunk of completions."""
    config, completions, prompts = (
        project.config,
        run.stage(f"generate/{variant}").made(),
        project.prompts.table,
    )
    quality, opened = quality_of(config, engines, variant), engines.opens_reasoning
    control, tags, size = engines.control, engines.reasoning, config.run.part_rows

    def make(_number: int, chunk: pl.DataFrame) -> Made:
        asked = own_words(chunk["messages"])
        rows, dropped = filter_completions(
            chunk, asked, tags, quality, opened=opened, control=control
        )
        reasons = dict(dropped["reason"].value_counts().iter_rows())
        return Made({ROWS: rows, DROPPED: dropped}, {_ROWS_IN: chunk.height, **reasons})

    return Chunked(
        lambda: beside_prompts(completions.chunks(size, _READ), prompts.chunks(size)),
        lambda number: prompts_beside(completions.slice(number * size, size, _READ), prompts),
        make,
    )


def on_worker(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Chunked:
    """The same, for one that works on chunks beside others."""
    return chunked(project, engines, run, folder.variant)


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """The kept ones, split into reasoning and answer."""
    work, size = chunked(project, engines, run, folder.variant), project.config.run.part_rows
    kept, gone = folder.writer(size), folder.writer(size, DROPPED)
    counts = Counter[str]()
    made_before = run.stage(f"generate/{folder.variant}").made()
    going = Going(progress, title_of(folder), made_before.height())
    for _, made in spread_of(project, engines, folder)(enumerate(work.all()), work.make):
        kept.add(made.tables[ROWS])
        gone.add(made.tables[DROPPED])
        counts.update(made.counts)
        going.step(made.counts[_ROWS_IN])
    kept.end(table(Parsed.COLUMNS))
    gone.end(table(Dropped.COLUMNS))
    rows_in = counts.pop(_ROWS_IN, 0)
    why = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    dropped_words = f" (dropped: {why})" if why else ""
    going.finish(f"{kept.written} of {rows_in} completions are kept{dropped_words}")
    return Finished({"rows_in": rows_in, "rows_out": kept.written}, kept.digests)


stages = variants(
    *(
        Stage(f"filter/{each}", (f"generate/{each}",), partial(inputs, variant=each), drive)
        for each in (MAIN, BARE)
    )
)
