"""The choice by shifts: which rows a limit leaves, and those that are dropped for a small one."""

from __future__ import annotations

import polars as pl
import pytest
from dalign.config import Select
from dalign.select import select
from test_select import Row, chosen, dropped, judged, parts_of


def choose(rows: list[Row], shifts: dict[str, float | None] | None, **settings: object):
    wanted = Select.model_validate(
        {"threshold": 7.0, "on_short": "warn", "by": "policy-shift", **settings}
    )
    schema = {"prompt_id": pl.String, "shift": pl.Float64}
    known = None if shifts is None else pl.DataFrame(list(shifts.items()), schema, orient="row")
    return select(
        parts_of(rows),
        wanted,
        categories={row["category"] for row in rows},
        clauses=(),
        spec_texts={},
        seed=3,
        least=wanted.threshold,
        shifts=known,
    )


def of_prompts(category: str, count: int) -> list[Row]:
    return [
        judged(f"{category}{i}", f"{category}-p{i}", f"{category} {i}", 9.0, category=category)
        for i in range(count)
    ]


def test_within_each_category_those_of_the_largest_shift_are_taken() -> None:
    rows = [*of_prompts("soup", 4), *of_prompts("tea", 4)]
    shifts = {f"soup-p{i}": i / 10 for i in range(4)} | {f"tea-p{i}": -i / 10 for i in range(4)}
    found = choose(rows, shifts, max_examples=4)
    assert chosen(found) == ["soup2", "soup3", "tea0", "tea1"]
    assert {d[2:] for d in dropped(found)} == {("surplus", "more than 4 examples")}


def test_a_category_has_as_many_as_by_lot() -> None:
    rows = [*of_prompts("soup", 6), *of_prompts("tea", 1)]
    shifts = {f"soup-p{i}": 1.0 for i in range(6)} | {"tea-p0": -1.0}
    assert len(chosen(choose(rows, shifts, max_examples=3))) == 3
    assert "tea0" in chosen(choose(rows, shifts, max_examples=3))


def test_a_prompt_without_a_shift_comes_last_and_is_lost_for_nothing() -> None:
    rows = of_prompts("soup", 4)
    shifts = {"soup-p0": None, "soup-p1": -0.9, "soup-p2": 0.1}
    assert chosen(choose(rows, shifts, max_examples=2)) == ["soup1", "soup2"]
    third = chosen(choose(rows, shifts, max_examples=3))
    assert third[-2:] != ["soup1", "soup2"] and {"soup1", "soup2"} < set(third)
    assert len(chosen(choose(rows, shifts))) == 4


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_equal_shifts_leave_it_to_the_lot(limit: int) -> None:
    rows = [*of_prompts("soup", 9), *of_prompts("tea", 5)]
    by_lot = chosen(choose(rows, None, max_examples=limit))
    for every in (None, 0.25):
        shifts = {row["prompt_id"]: every for row in rows}
        assert chosen(choose(rows, shifts, max_examples=limit)) == by_lot


def test_of_one_prompt_the_best_judged_is_taken_whatever_the_shift() -> None:
    rows = [judged("a", "p1", "x", 8.0), judged("b", "p1", "y", 9.0)]
    assert chosen(choose(rows, {"p1": -0.5}, max_examples=1)) == ["b"]


def test_a_row_below_the_least_shift_is_dropped_with_its_reason_and_unknown_ones_stay() -> None:
    rows = of_prompts("soup", 4)
    shifts = {"soup-p0": 0.25, "soup-p1": 0.125, "soup-p2": None}
    found = choose(rows, shifts, least_shift=0.25)
    assert chosen(found) == ["soup0", "soup2", "soup3"]
    assert dropped(found) == [("soup1", "soup", "small_shift", "shift 0.125 < 0.25")]


def test_a_copy_of_a_row_that_is_dropped_for_its_shift_stays() -> None:
    rows = [
        judged("a", "p1", "same", 9.0, asked="ask", reasoning="why"),
        judged("b", "p2", "same", 8.0, asked="ask", reasoning="why"),
    ]
    assert chosen(choose(rows, {"p1": 0.0, "p2": 0.5}, least_shift=0.1)) == ["b"]
