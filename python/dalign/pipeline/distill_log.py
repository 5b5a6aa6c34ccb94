"""Every completion of a distillation, taken down as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from dalign import _core
from dalign.pipeline.step_log import StepLog
from dalign.rows import TaughtRow
from dalign.store.folder import StageFolder
from dalign.train.job import Taught


class DistillLog(StepLog):
    """Keeps completions; on a resume, what came after the checkpoint is forgotten."""

    def __init__(self, folder: StageFolder, categories: Mapping[str, str]) -> None:
        """categories: of the prompts, by their ids."""
        super().__init__(folder)
        self._categories = categories

    def taught(self, step: int, completions: Sequence[Taught]) -> None:
        """Takes a step's completions down."""
        variant = self._folder.variant
        self._journal.append([
            {
                "id": _core.row_id([each.prompt_id, str(step)], variant, index),
                "step": step,
                "category": self._categories[each.prompt_id],
                **each._asdict(),
            }
            for index, each in enumerate(completions)
        ])  # fmt: skip

    def resume(self, step: int) -> None:
        """Goes back to a checkpoint."""
        self._forget_after(step)

    def rows(self) -> pl.DataFrame:
        """All completions. Columns: `TaughtRow`. Of a training that had ended before, those that it left."""
        return self._frame(pl.Schema(TaughtRow.COLUMNS))
