"""What holds of any scores, values and rows of tokens, through the binding: beside plain definitions."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from dalign import _core
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

few = settings(max_examples=40, deadline=None)
values = st.lists(st.floats(-100, 100), min_size=1, max_size=12)
METHODS = st.sampled_from(["percentile", "bca"])


def ends(groups: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    flat = np.array([value for group in groups for value in group], dtype=float)
    return flat, np.cumsum([0, *map(len, groups)], dtype=np.uint64)


@given(values, METHODS, st.data())
@few
def test_an_interval_lies_within_the_cluster_means(
    scores: list[float], method: str, data: st.DataObject
) -> None:
    labels = data.draw(st.lists(st.integers(0, 3), min_size=len(scores), max_size=len(scores)))
    call = (np.array(scores), np.array(labels), None, method, 200, 0.9, 5)
    mean, low, high = _core.bootstrap_mean(*call)
    assert math.isclose(mean, float(np.mean(scores)), rel_tol=1e-9, abs_tol=1e-9)
    assert (low is None) == (len(set(labels)) == 1) == (high is None)
    if low is not None and high is not None:
        means = [np.mean([s for s, at in zip(scores, labels, strict=True) if at == label]) for label in set(labels)]  # fmt: skip
        assert min(means) - 1e-9 <= low <= high <= max(means) + 1e-9
    # The same seed, and labels by any other name.
    renamed = pl.Series([f"p{label}" for label in labels])
    assert _core.bootstrap_mean(*call) == (mean, low, high)
    assert math.isclose(_core.bootstrap_mean(call[0], renamed, *call[2:])[0], mean)


@given(values, METHODS, st.floats(-5, 5))
@few
def test_a_constant_difference_has_an_interval_without_width(
    scores: list[float], method: str, shift: float
) -> None:
    a, b = np.array(scores) + shift, np.array(scores)
    clusters = np.arange(len(scores))
    found = _core.bootstrap_difference(a, b, clusters, None, method, 100, 0.95, 1)
    expected = shift if len(scores) > 1 else None
    for value, wanted in zip(found, (shift, expected, expected), strict=True):
        assert (value is None) == (wanted is None)
        assert value is None or wanted is None or math.isclose(value, wanted, abs_tol=1e-9)


@given(values, values, METHODS)
@few
def test_paired_differences_are_the_mean_of_the_differences(
    a: list[float], b: list[float], method: str
) -> None:
    size = min(len(a), len(b))
    first, second, clusters = np.array(a[:size]), np.array(b[:size]), np.arange(size)
    rest = (clusters, None, method, 100, 0.9, 3)
    paired = _core.bootstrap_difference(first, second, *rest)
    alone = _core.bootstrap_mean(first - second, *rest)
    assert np.allclose([x or 0 for x in paired], [x or 0 for x in alone], atol=1e-9)


@given(st.lists(st.lists(st.floats(0, 10), min_size=2, max_size=5), max_size=6), st.integers(1, 9))
@few
@example([[0.0, 0.0], [1.5e-54, 3.2e-133]], 1)  # squares that vanish
@example([[0.0, 0.0], [0.0, 5e-324]], 1)
def test_reliability_is_at_most_one_and_that_of_the_seed(
    units: list[list[float]], seed: int
) -> None:
    found = _core.split_half(*ends(units), 5, seed)
    assert found is None or found <= 1 + 1e-9
    assert found == _core.split_half(*ends(units), 5, seed)
    doubled = [[unit[0], unit[0]] for unit in units]
    means = [unit[0] for unit in doubled]
    assume(len(means) > 1 and max(means) - min(means) > 1e-3)
    assert math.isclose(_core.split_half(*ends(doubled), 5, seed) or 0, 1, abs_tol=1e-9)


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1.0, 1e200, 1e300])
def test_reliability_knows_no_unit(size: float) -> None:
    scores = [[1.0, 2.0, 3.0, 2.0], [5.0, 6.0, 5.0, 7.0], [9.0, 8.0, 9.0, 7.0]]
    found = _core.split_half(*ends([[s * size for s in unit] for unit in scores]), 20, 1)
    plain = _core.split_half(*ends(scores), 20, 1)
    assert plain is not None
    if size < 1e-300:  # these few steps of the smallest number are no measure
        assert found is None
    else:
        assert found is not None
        assert math.isclose(found, plain, rel_tol=1e-12)
