"""What the stages that train share: progress, threads, the curve, the prompts of each step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import polars as pl

from dalign.config import USUAL_ATTENTION, Balance, Config
from dalign.pack.training import check_no_spec
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project
from dalign.progress import Progress
from dalign.rows import MESSAGES, Prompt, own_words
from dalign.store.folder import StageFolder
from dalign.store.ledger import LOGS
from dalign.store.parts import Table
from dalign.store.run import CURVE, RunFolder
from dalign.store.whole_files import Json, write_text
from dalign.text import short
from dalign.train.draw import draw_prompts
from dalign.train.job import Job, Tracking, TrainResult
from dalign.train.trackers import failed_trackers


def use_threads(threads: int) -> None:
    """Has torch compute with so many threads in this process."""
    import torch

    torch.set_num_threads(threads)


def computed(config: Config) -> dict[str, Json]:
    """How a checkpoint is computed, for hashes, where that is not as usual: by which attention, and on how many devices, over which its gradients are summed."""
    attention, devices = config.model.attention, config.run.devices
    by = {} if attention == USUAL_ATTENTION else {"attention": attention}
    return by | ({"devices": devices} if devices > 1 else {})


def check_no_policy(prompts: Sequence[Prompt], project: Project, engines: Engines) -> None:
    """Nothing, if what the model is trained to complete holds nothing of the policy that users did not write. Raises InputError."""
    policy = list(project.templates.specs(project.spec).values())
    said = pl.Series([list(p.messages) for p in prompts], dtype=MESSAGES)
    texts = pl.DataFrame({
        "id": [p.id for p in prompts],
        "prompt": pl.Series(engines.renderer.prompts([p.messages for p in prompts]), dtype=pl.String),
        "own_words": own_words(said),
    })  # fmt: skip
    for _ in check_no_spec(
        texts.iter_slices(project.config.run.part_rows), policy, engines.tokenizer.encode
    ):
        pass


def tracking_of(config: Config, run: RunFolder, folder: StageFolder) -> Tracking | None:
    """Where a training's figures go beside the run; None where nowhere."""
    place = run.path / LOGS / "tracking" / folder.stage.replace("/", "-")
    name = f"{run.path.resolve().name} {folder.stage}"
    return Tracking(config.run.trackers, place, name) if config.run.trackers else None


class Steps:
    """Shows training steps as progress, with the figure that says how it goes."""

    def __init__(self, progress: Progress, name: str, figure: Callable[[float], str]) -> None:
        """figure: words for a step, from its loss. Made where the training begins: the first step takes time too."""
        self._progress, self._name, self._figure = progress, name, figure
        self._since, self._begun = time.monotonic(), False

    def __call__(self, step: int, total: int, loss: float) -> None:
        if not self._begun:
            self._progress.start(self._name, total, self._since)
            # A training that goes on begins at a later step.
            self._progress.skip(self._name, step - 1)
            self._begun = True
        self._progress.advance(self._name, step, self._figure(loss))
        if step >= total:
            self._progress.finish(self._name, f"{total} steps, {self._figure(loss)}")


def write_curve(folder: StageFolder, result: TrainResult, job: Job, progress: Progress) -> None:
    """Writes the figures of all steps beside the rows, and says which trackers failed."""
    write_text(folder.path / CURVE, json.dumps(list(map(dict, result.curve))) + "\n")
    for name, reason in failed_trackers(job.tracking):
        progress.say(
            f"{folder.stage}: run.trackers: {name} failed and was told no more ({short(reason, 200)}); the run's own curve has every step"
        )


class Stepped(Protocol):
    """The settings of a training that completes prompts, so many a step."""

    @property
    def steps(self) -> int: ...

    @property
    def prompts_per_step(self) -> int: ...


def drawn_prompts(
    prompts: Table, settings: Stepped, seed: int, balance: Balance | None = None
) -> list[list[Prompt]]:
    """The prompts of each step; of the others only what the draw looks at is read."""
    drawn = draw_prompts(
        prompts.frame(["id", "category", "ruling", "clause"]),
        steps=settings.steps,
        per_step=settings.prompts_per_step,
        seed=seed,
        balance=balance,
    )
    wanted = sorted({position for step in drawn for position in step})
    rows = prompts.scan().with_row_index("position").filter(pl.col("position").is_in(wanted))
    read = dict(zip(wanted, Prompt.read(rows.collect()), strict=True))
    return [[read[position] for position in step] for step in drawn]
