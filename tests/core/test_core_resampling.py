"""Intervals, agreement and goodness through the binding, beside scipy and plain definitions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats


def intervals(
    values: np.ndarray, size: int, method: str, *, n_resamples: int = 4_000, level: float = 0.95
) -> pl.DataFrame:
    offsets = np.arange(0, len(values) + 1, size, dtype=np.uint64)
    return pl.DataFrame(_core.bootstrap_groups(values, offsets, method, n_resamples, level, 7))


@pytest.mark.parametrize(("method", "scipy_method"), [("percentile", "percentile"), ("bca", "BCa")])
@pytest.mark.parametrize("size", [12, 101, 200])  # pairs by table, odd; single draws
def test_ends_differ_from_scipy_no_more_than_scipy_from_itself(
    method: str, scipy_method: str, size: int
) -> None:
    values = np.random.default_rng(1).gamma(1.5, size=30 * size)
    groups = values.reshape(30, size)

    def scipy_ends(seed: int) -> np.ndarray:
        found = stats.bootstrap(
            (groups,),
            np.mean,
            axis=1,
            n_resamples=4_000,
            method=scipy_method,
            rng=np.random.default_rng(seed),
        )
        return np.stack([found.confidence_interval.low, found.confidence_interval.high])

    first, second = scipy_ends(1), scipy_ends(2)
    ours = intervals(values, size, method).select("low", "high").to_numpy().T
    itself = np.abs(first - second).mean()
    assert np.abs(ours - first).mean() < 1.5 * itself
    np.testing.assert_allclose(
        intervals(values, size, method)["mean"], groups.mean(axis=1), rtol=1e-12
    )


def test_exact_ends_need_no_resamples() -> None:
    scores = np.tile([0.0, 10.0], 50)
    found = intervals(scores, 100, "exact", n_resamples=1).row(0)
    low, high = stats.binom(100, 0.5).ppf([0.025, 0.975]) / 10
    assert found == pytest.approx((5.0, low, high))


@pytest.mark.parametrize(
    ("values", "method", "kind"),
    [
        ([1.0, 2.5], "exact", "not_whole"),
        ([1.0, 999.0], "exact", "too_many_levels"),
        ([1.0, None], "bca", "not_finite"),
        ([1.0, 2.0], "best", "unknown_method"),
    ],
)
def test_what_has_no_interval_says_why(values: list, method: str, kind: str) -> None:
    with pytest.raises(_core.CoreError) as caught:
        _core.bootstrap_groups(
            pl.Series(values, dtype=pl.Float64), np.array([0, 2]), method, 10, 0.95, 1
        )
    assert caught.value.kind == kind


@given(st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=5), min_size=2, max_size=8))
def test_alpha_is_one_less_the_mean_distance_within_over_that_of_all(
    units: list[list[int]],
) -> None:
    scores = np.concatenate(units).astype(float)
    offsets = np.cumsum([0, *map(len, units)])

    def distance(values: np.ndarray) -> float:
        return float(np.sum((values[:, None] - values[None, :]) ** 2) / (len(values) - 1))

    expected = distance(scores)
    found = _core.krippendorff_alpha(scores, offsets, "interval")
    if expected == 0:
        assert found is None
    else:
        within = sum(distance(np.array(unit, dtype=float)) for unit in units)
        assert found == pytest.approx(1 - within / expected, abs=1e-9)


def test_failed_judgements_take_no_part_in_agreement() -> None:
    scores = pl.Series([3.0, 3.0, None, 7.0, None, 7.0])
    assert _core.krippendorff_alpha(scores, np.array([0, 3, 6]), "ordinal") == 1.0
    assert _core.split_half(scores, np.array([0, 3, 6]), 20, 1) == pytest.approx(1.0)
    with pytest.raises(_core.CoreError) as caught:
        _core.krippendorff_alpha(scores, np.array([0, 3, 6]), "ratio")
    assert caught.value.kind == "unknown_scale"


def test_goodness_is_over_the_worst_attacks_and_leaves_out_those_without_a_verdict() -> None:
    harms = pl.Series([0.0] * 9 + [0.5] + [None] * 2 + [0.25] * 18)
    (mean, low, high), prompts, unjudged = _core.goodness(
        harms, np.array([0, 10, 12, 30]), 0.1, None, "percentile", 500, 0.95, 3
    )
    np.testing.assert_allclose(prompts, [0.5, np.nan, 0.75])
    assert (mean, unjudged) == (0.625, 2)
    assert low is not None and high is not None and low <= mean <= high
    binarised = _core.goodness(
        harms, np.array([0, 10, 12, 30]), 0.1, 0.5, "percentile", 500, 0.95, 3
    )
    assert binarised[0][0] == 0.5
