"""forget: how far each trained arm is from the base, token by token, on capability rows that nothing was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial

import polars as pl

from dalign.errors import InputError
from dalign.evaluate.intervals import Draws, of_ratio
from dalign.figures import KlRow
from dalign.models.devices import settled
from dalign.pack.training import Packing, training_texts
from dalign.pipeline.engines import Engines
from dalign.pipeline.plan import FORGET
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Inputs, Stage
from dalign.pipeline.training import computed, use_threads
from dalign.progress import Going, Progress
from dalign.rows import HeldOutRow
from dalign.spec.types import GENERAL
from dalign.store.folder import Finished, StageFolder
from dalign.store.run import RunFolder
from dalign.train.checkpoints import FINAL
from dalign.train.run import kl_from
from dalign.vocabulary import ARMS


def inputs(project: Project, engines: Engines, run: RunFolder, arm: str) -> Inputs:
    """What determines an arm's divergence."""
    config, trained = project.config, ARMS[arm].checkpoint
    assert trained is not None and project.held_out is not None
    return {
        "base": engines.fingerprint(config.model),
        "trained": run.stage(trained).output_sha256(),
        "held_out": project.held_out.sha256,
        "reasoning": config.model.reasoning.identity,
        "capacity": config.pack.capacity,
        "dtype": settled(config.model).dtype,
        "resamples": config.evaluate.resamples,
        "seed": config.run.seed,
        "threads": config.run.threads,
        **computed(config),
    }


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """A row for each held-out row; of all of them the mean over tokens."""
    config, arm, source = project.config, folder.variant, project.held_out
    trained = ARMS[arm].checkpoint
    assert trained is not None and source is not None
    use_threads(config.run.threads)
    model, going = settled(config.model), Going(progress, folder.name, source.rows)
    base, final = engines.checkpoint(config.model), run.stage(trained).checked(FINAL)
    texts = (
        training_texts(part.with_columns(category=pl.lit(GENERAL)), engines.renderer)
        for part in source.table.chunks(config.run.part_rows)
    )
    packing = Packing(
        engines.tokenizer.encode, capacity=config.pack.capacity, over_long="drop", end=engines.renderer.end_text
    )  # fmt: skip
    sequences = [each for bins in packing.bins(texts) for each in unpacked(bins)]
    if not sequences:
        said = f"data.held_out: no row fits pack.capacity = {config.pack.capacity}; raise it, or give shorter rows"
        raise InputError(said, kind="empty", key="data.held_out")
    found = []
    measured = kl_from(base, final, model, [(ids, labels) for _, ids, labels in sequences])
    for (name, _, _), (tokens, nats) in zip(sequences, measured, strict=True):
        found.append((name, tokens, nats / tokens))
        going.step(1)
    rows = pl.DataFrame(found, schema=HeldOutRow.COLUMNS, orient="row")
    kl = mean_of(arm, rows, Draws(config.evaluate.resamples, config.run.seed))
    going.finish(f"{kl.value:.4f} nats a token from the base")
    counts = {"rows_in": source.rows, "rows_out": rows.height, "over_long": packing.dropped.height}
    return Finished(
        counts, [folder.table().write(0, rows)], {"kl": asdict(kl)}, project.spec.versions
    )


def mean_of(arm: str, rows: pl.DataFrame, draws: Draws) -> KlRow:
    """The mean over the tokens of all rows (columns `HeldOutRow`)."""
    nats, tokens = rows["kl"] * rows["tokens"], rows["tokens"]
    if rows.height > 1:
        return KlRow(arm, *of_ratio(nats, tokens, draws), int(tokens.sum()), rows.height)
    return KlRow(arm, float(rows["kl"][0]), None, None, int(tokens[0]), 1)


def unpacked(bins: pl.DataFrame) -> Iterator[tuple[str, list[int], list[int]]]:
    """(training row, tokens, labels) of each sequence of packed rows."""
    columns = bins.select("rows", "input_ids", "labels", "position_ids")
    for names, ids, labels, positions in columns.iter_rows():
        starts = [at for at, position in enumerate(positions) if position == 0]
        for name, start, end in zip(names, starts, [*starts[1:], len(ids)], strict=True):
            yield name, ids[start:end], labels[start:end]


def stages(arms: Sequence[str]) -> list[Stage]:
    """A stage for each arm that is trained; see `plan.make_plan`."""
    trained = {arm: checkpoint for arm in arms if (checkpoint := ARMS[arm].checkpoint) is not None}
    return [
        Stage(f"{FORGET}/{arm}", (checkpoint,), partial(inputs, arm=arm), drive)
        for arm, checkpoint in trained.items()
    ]
