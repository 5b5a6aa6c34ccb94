"""The shift of a policy: worked by hand, with what has no score."""

from __future__ import annotations

import polars as pl
from dalign.rows import Shift
from dalign.shift import shifts_of

PROMPTS = pl.DataFrame({"id": ["p2", "p1", "p3"], "category": ["soup", "tea", "soup"]})


def scored(*rows: tuple[str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, {"prompt_id": pl.String, "score": pl.Float64}, orient="row")


def test_a_shift_is_the_difference_of_the_means_as_a_share_of_the_scale() -> None:
    sighted = scored(("p2", 9.0), ("p2", 7.0), ("p1", 6.0), ("p3", 2.0))
    bare = scored(("p2", 2.0), ("p2", 4.0), ("p1", 6.0), ("p3", 10.0))
    found = shifts_of(PROMPTS, sighted, bare, 10.0)
    assert found.schema == pl.Schema(Shift.COLUMNS)
    assert found.rows() == [
        ("p2", "soup", 8.0, 2, 3.0, 2, 0.5),
        ("p1", "tea", 6.0, 1, 6.0, 1, 0.0),
        ("p3", "soup", 2.0, 1, 10.0, 1, -0.8),
    ]


def test_what_has_no_score_is_in_no_mean_and_a_side_without_one_leaves_no_shift() -> None:
    sighted = scored(("p2", 8.0), ("p2", None), ("p1", None), ("p3", 1.0))
    found = shifts_of(PROMPTS, sighted, scored(("p2", 4.0), ("p1", 4.0)), 8.0)
    assert found.rows() == [
        ("p2", "soup", 8.0, 1, 4.0, 1, 0.5),
        ("p1", "tea", None, 0, 4.0, 1, None),
        ("p3", "soup", 1.0, 1, None, 0, None),
    ]


def test_where_nothing_was_judged_no_prompt_has_a_shift() -> None:
    assert shifts_of(PROMPTS, scored(), scored(), 10.0)["shift"].to_list() == [None] * 3
