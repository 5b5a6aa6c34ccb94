"""sft: fine-tunes the model on the packed rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from dalign.models.fingerprint import fingerprint
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Inputs, Stage, start_of
from dalign.pipeline.training import Steps, computed, tracking_of, use_threads, write_curve
from dalign.progress import Progress
from dalign.store.folder import Finished, StageFolder
from dalign.store.run import RunFolder
from dalign.train.checkpoints import FINAL, forget_result, lacks_adapter
from dalign.train.job import SftJob
from dalign.train.run import train_sft
from dalign.vocabulary import trainings


def inputs(project: Project, engines: Engines, run: RunFolder, arm: str) -> Inputs:
    """What determines the SFT checkpoint."""
    config, start = project.config, start_of(arm)
    return {
        "pack": run.stage("pack").output_sha256(),
        "start": run.stage(start).output_sha256() if start else engines.fingerprint(config.model),
        "settings": config.sft.identity,
        "device": config.model.device,
        "dtype": config.model.dtype,
        "threads": config.run.threads,
        "seed": config.run.seed,
        **computed(config),
    }


def benign(project: Project) -> frozenset[str]:
    """The capability rows, where the model is held to its start on them."""
    if not project.config.sft.kl_weight or project.capability is None:
        return frozenset()
    return frozenset(project.capability.table.frame(["id"])["id"])


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """A checkpoint in `final`, and a row of figures a step."""
    config, model, rows = project.config, project.config.model, run.stage("pack").made()
    start = start_of(folder.variant)
    job = SftJob(
        start=run.stage(start).checked(FINAL) if start else engines.checkpoint(model),
        rows=rows.checked(), settings=config.sft, seed=config.run.seed, device=model.device, dtype=model.dtype, attention=model.attention,
        trust_remote_code=model.trust_remote_code, devices=config.run.devices, threads=config.run.threads,
        tracking=tracking_of(config, run, folder), benign=benign(project),
    )  # fmt: skip
    if lacks_adapter(folder.path, config.sft.method):
        forget_result(folder.path)
    use_threads(config.run.threads)
    result = train_sft(
        job, folder.path, Steps(progress, folder.name, lambda loss: f"loss {loss:.3f}")
    )
    write_curve(folder, result, job, progress)
    steps = pl.DataFrame(list(result.curve))
    digest = folder.table().write(0, steps)
    counts = {"rows_in": rows.height(), "rows_out": steps.height, "steps": steps.height}
    return Finished(counts, [digest], {"checkpoint": fingerprint(result.final)})


def stages(arms: Sequence[str]) -> list[Stage]:
    """A stage for each arm that is fine-tuned."""
    needs = {arm: ("pack/main", *filter(None, [start_of(arm)])) for arm in trainings("sft", arms)}
    return [Stage(f"sft/{arm}", needs[arm], partial(inputs, arm=arm), drive) for arm in needs]
