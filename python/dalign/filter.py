"""Malformed completions out, each with its reason; the rest split into reasoning and answer."""

from __future__ import annotations

import polars as pl

from dalign.config import Reasoning
from dalign.models.reasoning import parse

SCHEMA = {
    "id": pl.String,
    "prompt_id": pl.String,
    "category": pl.String,
    "reasoning": pl.String,
    "answer": pl.String,
}
# How a reply that never came is named among the reasons.
_NO_REPLY = ("error", "timeout")


def filter_completions(
    completions: pl.DataFrame, tags: Reasoning, *, opened: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(well-formed rows, dropped rows with reason) of the generate stage's rows."""
    parsed = parse(completions["text"], completions["finish"] == "length", tags, opened=opened)
    rows = pl.concat([completions, parsed], how="horizontal").with_columns(
        status=pl.when(pl.col("finish").is_in(_NO_REPLY))
        .then(pl.col("finish"))
        .otherwise(pl.col("status"))
    )
    good = rows.filter(pl.col("status") == "ok").select(list(SCHEMA))
    dropped = rows.filter(pl.col("status") != "ok").select(
        "id", "category", reason="status", detail=pl.col("text").str.slice(0, 200)
    )
    return good, dropped
