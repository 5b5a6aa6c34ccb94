"""Aggregation, agreement and resampling against numpy and scipy, through the binding."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

SCORES = st.none() | st.floats(-9, 9, width=32)
GROUPS = st.lists(st.lists(SCORES, max_size=40), max_size=40)


def columns(groups: list[list[float | None]]) -> tuple[pl.Series, npt.NDArray[np.int64]]:
    scores = pl.Series([score for group in groups for score in group], dtype=pl.Float64)
    return scores, np.cumsum([0, *map(len, groups)])


def valid(group: list[float | None]) -> npt.NDArray[np.float64]:
    return np.array([score for score in group if score is not None], dtype=np.float64)


def close(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return bool(np.isclose(found, wanted, rtol=1e-12, atol=1e-12))


@given(GROUPS, st.floats(0, 1), st.integers(1, 3))
def test_each_method_is_that_of_numpy(
    groups: list[list[float | None]], share: float, min_valid: int
) -> None:
    for method, parameter, of in (
        ("min", None, np.min),
        ("mean", None, np.mean),
        ("median", None, np.median),
        ("quantile", share, lambda scores: np.quantile(scores, share)),
        ("deviation", None, lambda scores: scores.std(ddof=1)),
    ):
        table = _core.aggregate(*columns(groups), method, parameter, min_valid)
        least = max(2, min_valid) if method == "deviation" else min_valid
        for group, (score, n_valid) in zip(groups, pl.DataFrame(table).rows(), strict=True):
            scores = valid(group)
            assert n_valid == scores.size
            assert close(score, of(scores) if scores.size >= least else None)


@given(GROUPS, st.floats(0.01, 50))
def test_a_soft_minimum_is_by_the_logarithm_of_a_sum(
    groups: list[list[float | None]], softness: float
) -> None:
    found = pl.DataFrame(_core.aggregate(*columns(groups), "soft_min", softness, 1))["score"]
    for score, group in zip(found, groups, strict=True):
        scores = valid(group)
        if not len(scores):
            assert score is None
            continue
        wanted = -softness * (special.logsumexp(-scores / softness) - np.log(len(scores)))
        assert np.isclose(score, wanted, rtol=1e-9, atol=1e-9)
        assert scores.min() - 1e-9 <= score <= scores.mean() + 1e-9


@given(GROUPS, st.floats(0, 0.49), st.floats(0.01, 0.999))
def test_a_trimmed_mean_and_a_lower_bound_are_those_of_scipy(
    groups: list[list[float | None]], share: float, level: float
) -> None:
    arguments = columns(groups)
    trimmed = pl.DataFrame(_core.aggregate(*arguments, "trimmed_mean", share, 1))
    bound = pl.DataFrame(_core.aggregate(*arguments, "lower_bound", level, 1))
    for group, cut, low in zip(groups, trimmed["score"], bound["score"], strict=True):
        scores = valid(group)
        n = scores.size
        assert close(cut, stats.trim_mean(scores, share) if n else None)
        error = stats.t.ppf(level, n - 1) * scores.std(ddof=1) / np.sqrt(n) if n > 1 else None
        assert close(low, None if error is None else scores.mean() - error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_widths_of_floats_give_the_same_scores(dtype: Any) -> None:
    scores = np.array([1.5, 2.25, np.nan, np.inf, 8.0], dtype=dtype)
    reduced = pl.DataFrame(_core.aggregate(scores, np.array([0, 4, 5]), "median", None, 1))
    assert reduced.rows() == [(1.875, 2), (8.0, 1)]
    assert reduced.columns == ["score", "n_valid"]


def test_nulls_in_a_later_chunk_are_failed_judgements() -> None:
    scores = pl.concat([pl.Series([1.0, None]), pl.Series([None, 4.0])], rechunk=False)
    found = pl.DataFrame(_core.aggregate(scores, np.array([0, 2, 4]), "mean", None, 1))
    assert found.rows() == [(1.0, 1), (4.0, 1)]


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.uint64])
def test_offsets_of_any_width_give_the_same_scores(dtype: Any) -> None:
    # So many that the binding takes memory of its own for them.
    rows = 600_000
    scores = np.arange(2 * rows, dtype=np.float32)
    offsets = np.arange(0, 2 * rows + 1, 2).astype(dtype)
    for _ in range(2):
        found = pl.DataFrame(_core.aggregate(scores, offsets, "mean", None, 2))
        assert np.array_equal(found["score"].to_numpy(), scores[::2] + 0.5)


@pytest.mark.parametrize("offsets", [[0, -1, 2], [0, 1, 2**32 + 2], [0, None, 2]])
def test_offsets_that_are_none_are_refused(offsets: list[int | None]) -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core.aggregate(np.array([1.0, 2.0]), pl.Series(offsets, dtype=pl.Int64), "mean", None, 1)
    assert raised.value.kind in {"bad_number", "null"}
