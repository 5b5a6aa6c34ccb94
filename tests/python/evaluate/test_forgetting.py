"""Forgetting: worked by hand, with a width whatever the grades, and covering what is true."""

from __future__ import annotations

import random

import polars as pl
import pytest
from dalign.evaluate.forgetting import forgetting_rows, forgotten
from dalign.evaluate.intervals import Draws, of_loss
from dalign.figures import ForgettingRow
from dalign.rows import Grade, table


def graded(arm, right, *, metric="capability", grader="truth", samples=1):
    """Grades of an arm on suite `s`: of each prompt so many right ones."""
    rows = [
        Grade(
            f"{arm}{p}.{i}",
            "s",
            f"p{p}",
            metric,
            grader,
            None if count is None else float(i < count),
        )
        for p, count in enumerate(right)
        for i in range(samples)
    ]
    return table(Grade.COLUMNS, [row.row for row in rows]).lazy()


def rows_of(**grades):
    return forgetting_rows(
        {name.replace("_", "+"): each for name, each in grades.items()}, resamples=200, seed=3
    )


def test_it_is_the_share_of_what_the_base_had_right_meaned_over_the_trainings():
    # 4 of 5 right, then 3, then 2: lost 1/4 after the first training and 1/2 after the second.
    base, sft, both = [1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]
    rows = rows_of(none=graded("none", base), sft=graded("sft", sft), sft_rl=graded("sft+rl", both))
    found = {row.arm: row for row in rows}
    assert found["sft"].value == pytest.approx(1 / 4) and found["sft"].after == ("sft",)
    assert found["sft+rl"].value == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert found["sft+rl"].after == ("sft", "sft+rl") and found["sft+rl"].n == 5
    assert all(row.low < row.value < row.high for row in rows)


def test_a_training_that_was_not_evaluated_is_left_out():
    [row] = rows_of(none=graded("none", [1, 1]), sft_rl=graded("sft+rl", [1, 0]))
    assert row.after == ("sft+rl",) and row.value == pytest.approx(0.5)


def test_what_is_gained_is_below_zero_and_a_base_with_nothing_right_has_no_share():
    gained = rows_of(none=graded("none", [1, 0, 0]), rl=graded("rl", [1, 1, 0]))
    assert gained[0].value == pytest.approx(-1.0)
    assert rows_of(none=graded("none", [0, 0]), rl=graded("rl", [1, 0]))[0].value is None


def test_only_capability_counts_by_truth_where_it_is_known_and_of_the_same_completions():
    def both(arm, right, by_judge):
        return pl.concat([
            graded(arm, right), graded(arm, by_judge, grader="judge"), graded(arm, [0, 0, 0], metric="not_unsafe"),
        ])  # fmt: skip

    [row] = rows_of(none=both("none", [1, 1, 1], [1, 0, 0]), rl=both("rl", [1, 0, None], [0, 0, 0]))
    # The third prompt's answer is missing after training: two are compared.
    assert row.value == pytest.approx(0.5) and row.n == 2
    assert rows_of(rl=graded("rl", [1])) == [] and rows_of(none=graded("none", [1])) == []


def test_equal_grades_are_no_certainty():
    ones = pl.Series([1.0] * 30)
    found = of_loss(ones, ones, pl.Series(range(30), dtype=pl.UInt32), Draws(200, 1))
    assert found is not None and found.mean == 0.0
    assert found.low < 0 < found.high and found.high == pytest.approx(0.1135, abs=1e-3)


def test_a_base_that_is_hardly_ever_right_has_an_interval_too():
    grades = pl.Series([1.0] + [0.0] * 199)
    for seed in range(20):
        found = of_loss(grades, grades * 0, pl.Series(range(200), dtype=pl.UInt32), Draws(1, seed))
        assert found is not None and found.mean == 1.0 and found.low < found.high


def test_the_interval_covers_the_true_loss():
    """Base right with .8, kept with .7 of these: a true loss of .3, of 100 prompts with 2 samples."""
    rng, covered = random.Random(5), 0
    prompts = pl.Series([p for p in range(100) for _ in range(2)], dtype=pl.UInt32)
    for run in range(300):
        before = [float(rng.random() < 0.8) for _ in range(200)]
        after = [each * (rng.random() < 0.7) for each in before]
        found = of_loss(pl.Series(before), pl.Series(after), prompts, Draws(300, run))
        assert found is not None
        covered += found.low <= 0.3 <= found.high
    assert 0.91 <= covered / 300 <= 0.98


def test_a_bound_names_the_arm_the_share_and_the_suite():
    rows = [ForgettingRow("sft", "s", ("sft",), 0.25, 0.1, 0.4, 90), ForgettingRow("rl", "s", ("rl",), None, None, None, 90)]  # fmt: skip
    assert forgotten(rows, None) == [] == forgotten(rows, 0.25)
    [said] = forgotten(rows, 0.1)
    assert (
        said
        == "arm sft has forgotten 25.0 % of what the base can do (suite s), more than evaluate.max_forgetting = 0.1 allows."
    )
