"""Every completion of a distillation, taken down as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from dalign import _core
from dalign.rows import TaughtRow
from dalign.store.folder import StageFolder
from dalign.train.job import Keeper, Taught


class DistillLog(Keeper):
    """Keeps completions; on a resume, what came after the checkpoint is forgotten."""

    def __init__(self, folder: StageFolder, categories: Mapping[str, str]) -> None:
        """categories: of the prompts, by their ids."""
        self._folder, self._categories = folder, categories
        self._journal = folder.journal()
        self.rows_written = 0

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
        if self._journal.path.is_file():
            kept = [row for row in self._journal.read() if row["step"] <= step]
            self._journal.replace(kept)

    def rows(self) -> pl.DataFrame:
        """All completions. Columns: `TaughtRow`. Of a training that had ended before, those that it left."""
        held, schema = self._folder.table(), pl.Schema(TaughtRow.COLUMNS)
        if held.paths() and not self._journal.path.is_file():
            frame = held.frame(list(schema))
        else:
            frame = pl.DataFrame(list(self._journal.read()), schema=schema, orient="row")
        self.rows_written = frame.height
        return frame

    def is_whole(self) -> bool:
        """Whether the completions of a training that had ended here are left."""
        return bool(self._folder.table().paths()) or self._journal.path.is_file()
