"""Copies among columns, however they come in parts; and that the command's help names the defaults that hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from dalign.duplicates import Near, near_rows
from dalign.errors import InputError
from dalign.filter.quality import Measuring

TEXT = "the bus to the market leaves at nine in the morning and comes back at four"
# Rows 0, 2 and 4 are nearly the same, by four words of fifteen at most; 1 and 3 stand alone.
TEXTS = [TEXT, "take the train", f"{TEXT} today", "walk along the river", f"{TEXT} if it rains"]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize(
    ("scores", "kept"),
    [(None, [0, 1, 0, 3, 0]), ([1.0, 1.0, 3.0, 1.0, 2.0], [2, 1, 2, 3, 2]), ([None, 1.0, None, 1.0, 0.0], [4, 1, 4, 3, 4])],
)  # fmt: skip
def test_the_best_judged_stands_for_its_group_in_any_parts(
    size: int, scores: list[float | None] | None, kept: list[int]
) -> None:
    def parts() -> Iterator[tuple[pl.Series, pl.Series | None]]:
        for first in range(0, len(TEXTS), size):
            part = None if scores is None else pl.Series(scores[first : first + size], dtype=pl.Float64)  # fmt: skip
            yield pl.Series(TEXTS[first : first + size]), part

    assert near_rows(parts, Near(0.5, 3), 1 << 20).tolist() == kept


def test_a_similarity_that_there_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"1\.5"):
        near_rows(lambda: iter([(pl.Series(TEXTS), None)]), Near(1.5), 1 << 20)


def test_the_commands_name_the_defaults_that_hold(dalign: Any) -> None:
    help_of = {name: " ".join(dalign("data", name, "--help")[1].split()) for name in ("dedup", "filter")}  # fmt: skip
    assert f"{Near().threshold} unless given" in help_of["dedup"]
    assert f"in a row; {Near().ngram} unless given" in help_of["dedup"]
    assert f"repeated, {Measuring().ngram} unless given" in help_of["filter"]
