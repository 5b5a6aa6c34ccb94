"""filter: malformed completions out, and those that break a limit."""

from __future__ import annotations

from collections import Counter

from dalign.config import Config
from dalign.errors import InputError
from dalign.filter.form import filter_completions
from dalign.filter.quality import TOKEN_MEASURES, Measuring, Quality, chosen_limits
from dalign.pipeline.engines import Engines, counting_tokenizer
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Inputs, Stage, beside_prompts, variants
from dalign.progress import Going, Progress
from dalign.rows import Dropped, Parsed, own_words, table
from dalign.store.folder import Finished, StageFolder
from dalign.store.parts import DROPPED
from dalign.store.run import RunFolder


def inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines which completions are kept."""
    config = project.config
    return {
        "generate": run.stage("generate").output_sha256(),
        "prompts": project.prompts.sha256,
        "reasoning": config.model.reasoning.identity,
        "filter": config.filter.model_dump(),
        "model": engines.fingerprint(config.model),
        # Rows have the text as it was written too.
        "text": "written",
    }


def quality_of(config: Config, engines: Engines) -> Quality:
    """What completions are held to. Raises InputError for a limit that there is not."""
    wanted = config.filter
    limits = chosen_limits(wanted.limits, "filter.limits:", usual=wanted.quality)
    counted = next((name for name in TOKEN_MEASURES if name in limits), None)
    tokenizer = counting_tokenizer(engines, config.model, counted) if counted else None
    measuring = Measuring(scripts=wanted.scripts, phrases=wanted.phrases)
    try:
        return Quality(measuring, limits, tokenizer)
    except InputError as error:
        raise error.worded(f"filter: {error}") from error


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """The kept ones, split into reasoning and answer."""
    config, completions = project.config, run.stage("generate").made()
    quality, opened = quality_of(config, engines), engines.opens_reasoning
    control = engines.control
    size = config.run.part_rows
    kept, gone = folder.writer(size), folder.writer(size, DROPPED)
    reasons, rows_in = Counter[str](), 0
    going = Going(progress, "filter", completions.height())
    chunks = completions.chunks(size, ["id", "prompt_id", "category", "text", "finish"])
    for chunk in going.over(beside_prompts(chunks, project.prompts.table.chunks(size))):
        asked = own_words(chunk["messages"])
        rows, dropped = filter_completions(
            chunk, asked, engines.reasoning, quality, opened=opened, control=control
        )
        kept.add(rows)
        gone.add(dropped)
        reasons.update(dict(dropped["reason"].value_counts().iter_rows()))
        rows_in += chunk.height
    kept.end(table(Parsed.COLUMNS))
    gone.end(table(Dropped.COLUMNS))
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    dropped_words = f" (dropped: {why})" if why else ""
    going.finish(f"{kept.written} of {rows_in} completions are kept{dropped_words}")
    return Finished({"rows_in": rows_in, "rows_out": kept.written}, kept.digests)


stages = variants(Stage("filter/main", ("generate/main",), inputs, drive))
