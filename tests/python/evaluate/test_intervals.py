"""Intervals have a width whatever the grades: equal ones are no certainty."""

from __future__ import annotations

from math import sqrt

import numpy as np
import polars as pl
import pytest
from dalign.evaluate.intervals import Draws, of_difference, of_ratio, of_share, tango
from dalign.evaluate.metrics import metric_rows, paired_rows
from dalign.figures import Z, wilson
from dalign.rows import Grade, table

DRAWS = Draws(500, 7)
# z² at 95 %: the ends at 0 and 1 are z² / (n + z²) away, by Wilson and by Tango alike.
ZZ = 1.959963984540054**2


def prompts(*sizes: int) -> pl.Series:
    """The prompt of each grade, from how many samples each prompt has."""
    return pl.Series([n for n, size in enumerate(sizes) for _ in range(size)], dtype=pl.UInt32)


@pytest.mark.parametrize(
    "n", [1, 2, 5, 8, 5_000]
)  # 1: one prompt alone, of which none is drawn anew
def test_a_share_of_0_or_1_has_the_width_of_its_prompts(n: int) -> None:
    away = ZZ / (n + ZZ)
    all_right = of_share(pl.Series([1.0] * n), prompts(*[1] * n), DRAWS)
    assert all_right == pytest.approx((1.0, 1 - away, 1.0)) and all_right.high == 1.0
    none_right = of_share(pl.Series([0.0] * n), prompts(*[1] * n), DRAWS)
    assert none_right == pytest.approx((0.0, 0.0, away)) and none_right.low == 0.0


def test_five_of_five_begins_where_the_table_of_wilson_says() -> None:
    # Brown, Cai and DasGupta 2001: n = 5, x = 5.
    assert of_share(pl.Series([1.0] * 5), prompts(1, 1, 1, 1, 1), DRAWS).low == pytest.approx(
        0.5655, abs=1e-4
    )


@pytest.mark.parametrize(
    ("grades", "sizes"),
    [
        ([1.0] * 20, [4] * 5),  # equal samples of a prompt tell no more than one
        ([0.0, 1.0] * 5, [2] * 5),  # prompts are alike, samples are not: resamples are all 0.5
        ([0.0, 1.0, 0.0, 1.0], [2, 2]),
        ([0.25] * 7, [7]),
    ],
)
def test_prompts_that_are_alike_count_as_one_trial_each(grades, sizes) -> None:
    found = of_share(pl.Series(grades), prompts(*sizes), DRAWS)
    assert (found.low, found.high) == pytest.approx(wilson(found.mean, len(sizes)))
    assert found.low < found.high


def test_what_varies_between_prompts_is_bootstrapped_as_before() -> None:
    grades = pl.Series([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    found = of_share(grades, prompts(*[1] * 8), Draws(20_000, 1))
    # Of eight draws from six right and two wrong ones, 2.5 % are below 4 and above 8.
    assert found == pytest.approx((0.75, 0.375, 1.0), abs=0.13)
    assert (found.low, found.high) != pytest.approx(wilson(0.75, 8))


@pytest.mark.parametrize("n", [1, 2, 8, 1_000])
@pytest.mark.parametrize("grade", [0.0, 1.0])
def test_a_difference_that_is_nowhere_has_a_width(n: int, grade: float) -> None:
    same = pl.Series([grade] * n)
    away = ZZ / (n + ZZ)
    assert of_difference(same, same, prompts(*[1] * n), DRAWS) == pytest.approx((0.0, -away, away))


@pytest.mark.parametrize("n", [5, 50])
def test_a_difference_that_is_everywhere_has_a_width(n: int) -> None:
    low, high, each = pl.Series([0.0] * n), pl.Series([1.0] * n), prompts(*[1] * n)
    end = (n - ZZ) / (n + ZZ)
    assert of_difference(low, high, each, DRAWS) == pytest.approx((1.0, end, 1.0))
    assert of_difference(high, low, each, DRAWS) == pytest.approx((-1.0, -1.0, -end))


def test_changes_that_cancel_in_every_prompt_count_as_changes() -> None:
    # In each of four prompts one sample is gained and one lost: no difference, and no certainty.
    before, after = pl.Series([0.0, 1.0] * 4), pl.Series([1.0, 0.0] * 4)
    cancelled = of_difference(before, after, prompts(2, 2, 2, 2), DRAWS)
    unchanged = of_difference(before, before, prompts(2, 2, 2, 2), DRAWS)
    assert cancelled.low == pytest.approx(-cancelled.high)
    assert cancelled.high > unchanged.high > 0


def test_paired_ends_are_those_of_the_paper() -> None:
    # Fagerland, Lydersen and Laake 2014, table III: of 21 pairs one gained and seven lost.
    assert tango(1 / 21, 7 / 21, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert tango(7 / 21, 1 / 21, 21) == pytest.approx((0.026, 0.517), abs=5e-4)


@pytest.mark.parametrize(("gained", "lost"), [(0.3, 0.1), (0.5, 0.5), (0.0, 0.2), (0.9, 0.0)])
def test_paired_ends_are_a_score_away(gained: float, lost: float) -> None:
    # With many pairs the score interval is the plain one of the mean of differences.
    n = 1_000_000
    low, high = tango(gained, lost, n)
    half = Z * sqrt((gained + lost - (gained - lost) ** 2) / n)
    assert (low, high) == pytest.approx((gained - lost - half, gained - lost + half), abs=1e-4)


def grades_of(values: list[float | None]) -> pl.LazyFrame:
    rows = [Grade(f"{n}", "s", f"p{n}", "capability", "truth", v) for n, v in enumerate(values)]
    return table(Grade.COLUMNS, [row.row for row in rows]).lazy()


def test_the_figures_of_a_run_have_these_intervals() -> None:
    right, settings = grades_of([1.0] * 5), {"resamples": 200, "seed": 1}
    [row] = metric_rows("none", right, rows_paths={"s": "x"}, **settings)
    assert (row.low, row.high) == pytest.approx(wilson(1.0, 5))
    [pair] = paired_rows({"none": right, "sft": right}, [("none", "sft")], **settings)
    assert pair.low is not None and pair.low < pair.diff == 0 < pair.high
    # One row alone has an interval too: nearly all there is.
    [row] = metric_rows("none", grades_of([1.0, None]), rows_paths={"s": "x"}, **settings)
    assert (row.low, row.high) == pytest.approx((0.2065, 1.0), abs=1e-4)


def test_a_ratio_is_that_of_the_sums_and_its_interval_covers_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(3), 0
    for _ in range(200):
        tokens = rng.integers(5, 60, 80)
        nats = tokens * rng.gamma(2.0, 0.05, 80)
        found = of_ratio(pl.Series(nats), pl.Series(tokens), Draws(400, 1))
        assert found.mean == pytest.approx(nats.sum() / tokens.sum())
        covered += found.low <= 0.1 <= found.high
    assert 180 <= covered <= 198
    same = of_ratio(pl.Series([1.0, 4.0]), pl.Series([1, 4]), Draws(100, 1))
    assert same == pytest.approx((1.0, 1.0, 1.0))
