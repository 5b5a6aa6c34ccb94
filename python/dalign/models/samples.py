"""Samples that should differ: a server that ignores temperature and seed gives the same text each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from dalign.rows import NEVER_CAME

# How many rows have several samples, and of how many these are all equal.
SAMPLED, EQUAL = "sampled", "equal_samples"
# What failed is no sample, in the words of completions and of verdicts.
_FAILED = [*map(str, NEVER_CAME), "timed_out"]


def equal_samples(of: pl.Series, texts: pl.Series, states: pl.Series) -> dict[str, int]:
    """The counts SAMPLED and EQUAL of some samples. of: the row that each belongs to; states: how each ended."""
    named = {"of": of, "text": texts, "state": states}
    came = pl.DataFrame(named).filter(~pl.col("state").is_in(_FAILED))
    several = came.group_by("of").agg(pl.len(), pl.col("text").n_unique()).filter(pl.col("len") > 1)
    return {SAMPLED: several.height, EQUAL: int((several["text"] == 1).sum())}


def tell_equal(
    say: Callable[[str], None], counts: Mapping[str, int], temperature: float, what: str
) -> None:
    """Says where all samples of all rows are equal though they were drawn. what: of which stage and rows, such as `generate: prompts`."""
    sampled = counts.get(SAMPLED, 0)
    if temperature == 0 or sampled < 2 or counts.get(EQUAL, 0) < sampled:
        return
    stage, rows = what.split(": ")
    say(
        f"{stage}: all samples of each of {sampled} {rows} are equal at temperature {temperature:g}: whoever makes them ignores temperature and seed, and several count for no more than one"
    )
