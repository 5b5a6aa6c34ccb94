"""What a stage is: what it waits for, what its rows depend on, and who drives its work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dalign.models.ask import Ask
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project
from dalign.progress import Progress
from dalign.store.folder import MAIN, Finished, Made, StageFolder
from dalign.store.parts import Table
from dalign.store.run import RunFolder
from dalign.vocabulary import ARMS, trainings

Inputs = dict[str, Any]


# What determines a stage's rows; known once what it needs has finished.
InputsOf = Callable[[Project, Engines, RunFolder], Inputs]
# Drives a stage's work: hands rows, settings and tools to the stage's own module, and its rows to the folder.
Drive = Callable[[Project, Engines, RunFolder, StageFolder, Progress], Finished]


@dataclass(frozen=True)
class Chunked:
    """A stage's work on chunks of rows; what becomes of one depends on its rows alone.

    all: the chunks in their order; nth: one of them by its number, counted from 0; make: what becomes of it.
    ask: who is asked for it, if anybody is.
    """

    all: Callable[[], Iterator[pl.DataFrame]]
    nth: Callable[[int], pl.DataFrame]
    make: Callable[[int, pl.DataFrame], Made]
    ask: Ask | None = None


@dataclass(frozen=True)
class Stage:
    """One variant of a stage. needs: the names of the stages that it reads."""

    name: str
    needs: tuple[str, ...]
    inputs: InputsOf
    drive: Drive

    @property
    def kind(self) -> str:
        """The name without the variant."""
        return self.name.partition("/")[0]

    @property
    def variant(self) -> str:
        """The name's second part."""
        return self.name.partition("/")[2]


def chunk_rows(part_rows: int, made_of_each: int) -> int:
    """Rows that are worked on at a time, so that a part of what is made of them has `part_rows` rows."""
    return max(1, part_rows // made_of_each)


def beside_prompts(
    chunks: Iterator[pl.DataFrame], prompts: Iterator[pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Chunks of rows with the columns of their prompts; both in the order of the prompts.

    chunks: a column prompt_id. prompts: columns `Prompt`; theirs are named as there but for id and category.
    """
    waiting = pl.DataFrame()
    for chunk in chunks:
        while waiting.is_empty() or chunk.join(waiting, on="prompt_id", how="anti").height:
            following = next(prompts).rename({"id": "prompt_id"}).drop("category")
            waiting = following if waiting.is_empty() else pl.concat([waiting, following])
        yield chunk.join(waiting, on="prompt_id", how="left", maintain_order="left")
        # The last prompt may have more rows.
        if chunk.height:
            waiting = waiting[waiting["prompt_id"].index_of(chunk["prompt_id"][-1]) :]


def prompts_beside(chunk: pl.DataFrame, prompts: Table) -> pl.DataFrame:
    """The same of one chunk."""
    wanted = pl.col("id").is_in(chunk["prompt_id"].unique().implode())
    found = prompts.scan().filter(wanted).rename({"id": "prompt_id"}).drop("category").collect()
    return chunk.join(found, on="prompt_id", how="left", maintain_order="left")


def start_of(arm: str) -> str | None:
    """The training, `stage/variant`, that an arm's training goes on from; None where that is the base."""
    start = ARMS[arm].starts_from
    return None if start is None else ARMS[start].checkpoint


def title_of(folder: StageFolder) -> str:
    """What a stage is called in sentences: as its command, and by its variant too where that is not the main one."""
    return folder.stage if folder.variant == MAIN else folder.name


def variants(*stages: Stage) -> Callable[[Sequence[str]], list[Stage]]:
    """Says of stages that make training data, or train on it, that they are needed where some arm is fine-tuned."""
    return lambda arms: list(stages) if trainings("sft", arms) else []
