"""The shifts of a run's prompts, from what was judged with the policy in sight and without."""

from __future__ import annotations

import polars as pl

from dalign.config import Judge
from dalign.pipeline.project import Source
from dalign.rows import SCORES
from dalign.shift import shifts_of
from dalign.store.folder import MAIN
from dalign.store.run import RunFolder
from dalign.vocabulary import BARE


def shifts_in(run: RunFolder, prompts: Source, scale: Judge) -> pl.DataFrame:
    """The shift of each prompt. Columns: `Shift`. Holds the ids and scores of all completions, and no text."""
    asked = prompts.table.frame(["id", "category"])
    return shifts_of(asked, _scored(run, MAIN), _scored(run, BARE), scale.high - scale.low)


def _scored(run: RunFolder, variant: str) -> pl.DataFrame:
    rows = run.stage(f"filter/{variant}").made().scan().select("prompt_id", completion_id="id")
    scores = run.stage(f"judge/{variant}").made(SCORES).scan().select("completion_id", "score")
    joined = rows.join(scores, on="completion_id", how="left", maintain_order="left")
    return joined.select("prompt_id", "score").collect()
