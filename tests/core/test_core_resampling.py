"""Intervals and agreement through the binding, beside scipy and plain definitions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats


def intervals(values: np.ndarray, size: int, method: str) -> pl.DataFrame:
    """Mean and ends of each group of so many values, each drawn by itself."""
    places = np.arange(size, dtype=np.uint32)
    rows = [
        _core.bootstrap_mean(group, places, None, method, 4_000, 0.95, seed)
        for seed, group in enumerate(values.reshape(-1, size))
    ]
    return pl.DataFrame(rows, schema=["mean", "low", "high"], orient="row")


@pytest.mark.parametrize(("method", "scipy_method"), [("percentile", "percentile"), ("bca", "BCa")])
@pytest.mark.parametrize("size", [12, 101, 200])
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


@pytest.mark.parametrize(
    ("values", "method", "kind"),
    [
        ([1.0, None], "bca", "not_finite"),
        ([1.0, 2.0], "best", "unknown_method"),
    ],
)
def test_what_has_no_interval_says_why(values: list, method: str, kind: str) -> None:
    column = pl.Series(values, dtype=pl.Float64)
    with pytest.raises(_core.CoreError) as caught:
        _core.bootstrap_mean(column, np.array([0, 1]), None, method, 10, 0.95, 1)
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
