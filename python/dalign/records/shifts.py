"""By how much the policy changes what the model does, category by category, as a run that chose by it found."""

from __future__ import annotations

import polars as pl

from dalign.figures import ShiftRow
from dalign.records.record import Record
from dalign.rows import SHIFTS


def shift_rows(record: Record) -> list[ShiftRow]:
    """A row for each category of the prompts; none of a run that has not chosen by shifts, or not yet."""
    select = record.stage("select")
    held = select.table(SHIFTS)
    if not held.paths():
        return []
    examples = select.table().scan().select("prompt_id").collect()["prompt_id"].implode()
    of_example = pl.col("shift").filter(pl.col("prompt_id").is_in(examples))
    known = pl.col("shift").is_not_null()
    means = [pl.col(name).filter(known).mean() for name in ("with_policy", "without_policy")]
    found = held.frame().group_by("category", maintain_order=True)
    rows = found.agg(
        pl.len(), known.sum().alias("known"), *means, pl.col("shift").mean(), of_example.mean().alias("chosen")
    )  # fmt: skip
    return [ShiftRow(*row) for row in rows.sort("category").iter_rows()]
