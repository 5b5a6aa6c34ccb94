"""pack: examples and capability rows to packed training rows."""

from __future__ import annotations

import polars as pl

from dalign.models.engines.open import kind_of
from dalign.pack.training import SCHEMA, Mix, Packing, check_no_spec, training_texts
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Inputs, Stage, variants
from dalign.progress import Going, Progress
from dalign.rows import Dropped, table
from dalign.spec.types import GENERAL
from dalign.store.folder import Finished, StageFolder
from dalign.store.parts import DROPPED
from dalign.store.run import RunFolder


def inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines the training rows."""
    config = project.config
    return {
        "select": run.stage("select").output_sha256(),
        "capability": None if project.capability is None else project.capability.sha256,
        "ratio": config.sft.capability_ratio,
        "settings": config.pack.model_dump(),
        "model": engines.fingerprint(config.model),
        "reasoning": config.model.reasoning.identity,
        "spec": project.spec.sha256,
        "seed": config.run.seed,
    }


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """Bins, as the rows fill them."""
    config, examples, capability = project.config, run.stage("select").made(), project.capability
    size, wanted, renderer = config.run.part_rows, config.pack, engines.renderer
    more = [] if capability is None else capability.table.chunks(size)
    known, more_rows = examples.height(), capability.rows if capability else 0
    mix = Mix(known, more_rows, config.sft.capability_ratio, config.run.seed)
    going = Going(progress, "pack", known + more_rows)
    progress.say(f"pack: {engines.tokenizer.note}")
    tokenize = engines.tokenizer.encode
    packing = Packing(
        tokenize, capacity=wanted.capacity, over_long=wanted.over_long, end=renderer.end_text
    )
    # Of a server's text nobody knows whether it is whole.
    apart = kind_of(config.model).writes_open_tag is None
    policy = list(project.templates.specs(project.spec).values())
    general = pl.lit(GENERAL)
    bins, gone = folder.writer(size), folder.writer(size, DROPPED)
    texts = mix.parts(
        (training_texts(rows, renderer, apart=apart) for rows in going.over(examples.chunks(size))),
        (
            training_texts(rows.with_columns(category=general), renderer)
            for rows in going.over(more)
        ),
    )
    for made in packing.bins(check_no_spec(texts, policy, tokenize)):
        bins.add(made)
    gone.add(packing.dropped)
    bins.end(table(dict(SCHEMA)))
    gone.end(table(Dropped.COLUMNS))
    progress.say(f"pack: reasoning is written {renderer.form.told}")
    tally = packing.tally
    said = f"{packing.rows} rows, {tally.tokens} tokens, {tally.trained_tokens} of them trained on, {bins.written} bins"
    going.finish(said)
    if packing.masked:
        said = f"warning: pack masked {len(packing.masked)} rows longer than pack.capacity = {wanted.capacity}: they train on nothing (first: {packing.masked[0]})"
        progress.say(said)
    counts = {
        "rows_in": packing.rows, "rows_out": bins.written, "masked": len(packing.masked),
        "tokens": tally.tokens, "trained_tokens": tally.trained_tokens,
    }  # fmt: skip
    facts = {
        "template_probe": list(renderer.probe.warnings(config.model.day)),
        "masked": list(packing.masked),
    }
    return Finished(counts, bins.digests, facts, project.spec.versions)


stages = variants(Stage("pack/main", ("select/main",), inputs, drive))
