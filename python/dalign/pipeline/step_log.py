"""What a training makes at each step, taken down as it comes; the stage's table is made of it."""

from __future__ import annotations

from typing import Any

import polars as pl

from dalign.store.folder import StageFolder
from dalign.train.job import Keeper


class StepLog(Keeper):
    """Keeps rows, each with its `step`, in the journal of a stage's folder."""

    def __init__(self, folder: StageFolder) -> None:
        self._folder, self._journal = folder, folder.journal()
        self.rows_written = 0

    def is_whole(self) -> bool:
        """Whether the rows of a training that had ended here are left."""
        return bool(self._folder.table().paths()) or self._journal.path.is_file()

    def _forget_after(self, step: int) -> list[dict[str, Any]]:
        """Forgets what came after a checkpoint, and returns the rest."""
        kept = [row for row in self._journal.read() if row["step"] <= step]
        if self._journal.path.is_file():
            self._journal.replace(kept)
        return kept

    def _frame(self, schema: pl.Schema) -> pl.DataFrame:
        """All rows. Of a training that had ended before, those that it left."""
        held = self._folder.table()
        if held.paths() and not self._journal.path.is_file():
            frame = held.frame(list(schema))
        else:
            frame = pl.DataFrame(list(self._journal.read()), schema=schema, orient="row")
        self.rows_written = frame.height
        return frame
