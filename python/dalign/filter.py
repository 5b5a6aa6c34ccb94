"""Malformed completions out, and those that break a limit, each with its reason; the rest split into reasoning and answer."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from dalign.config import Reasoning
from dalign.data.quality import Quality
from dalign.models.reasoning import parse
from dalign.rows import Prompt

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
    completions: pl.DataFrame,
    tags: Reasoning,
    prompts: Mapping[str, Prompt],
    quality: Quality,
    *,
    opened: bool,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(kept rows, dropped rows with reason) of the generate stage's rows.

    prompts: by id; the scripts that their own words use are expected in a completion.
    """
    parsed = parse(completions["text"], completions["finish"] == "length", tags, opened=opened)
    rows = pl.concat([completions, parsed], how="horizontal").with_columns(
        status=pl.when(pl.col("finish").is_in(_NO_REPLY))
        .then(pl.col("finish"))
        .otherwise(pl.col("status"))
    )
    good = rows.filter(pl.col("status") == "ok").select(list(SCHEMA))
    malformed = rows.filter(pl.col("status") != "ok").select(
        "id", "category", reason="status", detail=pl.col("text").str.slice(0, 200)
    )
    asked = [
        " ".join(message["content"] for message in prompts[row].messages)
        for row in good["prompt_id"]
    ]
    decision = quality.decide(pl.Series(asked, dtype=pl.String), good)
    poor = good.select("id", "category").with_columns(
        reason=decision.reasons, detail=decision.details
    )
    poor = poor.filter(~decision.keep)
    return good.filter(decision.keep), pl.concat([malformed, poor])
