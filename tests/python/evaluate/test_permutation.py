"""Sign flips: exact where prompts are few, as scipy's where they are many, and right as often as they claim."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest
from dalign.evaluate.intervals import Draws
from dalign.evaluate.permutation import chance_of, holm, visible

stats = pytest.importorskip("scipy.stats")
NUMBER = pl.UInt32


def prompts(count: int) -> pl.Series:
    return pl.Series(range(count), dtype=NUMBER)


FLIPS = Draws(2000, 0)


def p_of(differences: list[float], draws: Draws = FLIPS) -> float:
    return chance_of(pl.Series(differences), prompts(len(differences)), draws)


def test_it_is_the_sign_test_where_all_differ_alike() -> None:
    # Seven lost and one gained: nine of 256 flips go as far on either side; prompts that do not differ change nothing.
    assert p_of([-1.0] * 7 + [1.0]) == pytest.approx(18 / 256)
    assert p_of([-1.0] * 7 + [1.0] + [0.0] * 100) == pytest.approx(18 / 256)
    assert p_of([0.0] * 9) == p_of([]) == 1.0


@pytest.mark.parametrize("count", [3, 8, 14])
def test_few_prompts_are_flipped_exactly_as_by_scipy(count: int) -> None:
    rng = random.Random(count)
    found = [rng.choice([-1.0, -0.5, 0.25, 0.5, 1.0]) for _ in range(count)]
    theirs = stats.permutation_test(
        (np.array(found),), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert p_of(found) == pytest.approx(theirs.pvalue, abs=1e-9)


def test_many_prompts_are_flipped_at_random_and_never_give_0() -> None:
    rng = random.Random(1)
    found = [rng.gauss(0.1, 0.5) for _ in range(80)]
    theirs = stats.permutation_test(
        (np.array(found),), np.sum, permutation_type="samples", n_resamples=20_000, rng=1
    ).pvalue
    assert p_of(found, Draws(20_000, 3)) == pytest.approx(theirs, abs=0.01)
    assert p_of(found, Draws(500, 3)) == p_of(found, Draws(500, 3))
    assert p_of([1.0] * 40, Draws(999, 0)) == pytest.approx(1 / 1000)


def test_samples_of_a_prompt_are_flipped_together() -> None:
    # Two prompts that each say it ten times say it twice.
    found = chance_of(pl.Series([1.0] * 20), pl.Series([0, 1] * 10, dtype=NUMBER), Draws(100, 0))
    assert found == 0.5


def test_what_is_chance_is_called_otherwise_as_often_as_is_said() -> None:
    rng, called = random.Random(3), 0
    for _ in range(400):
        called += p_of([float(rng.choice([-1, 0, 0, 1])) for _ in range(30)], Draws(400, 0)) <= 0.05
    assert called / 400 <= 0.08


def test_what_can_be_seen_is_seen_four_times_in_five() -> None:
    rng, seen, sizes = random.Random(4), 0, []
    for _ in range(300):
        noise = [rng.gauss(0, 0.5) for _ in range(40)]
        size = visible(pl.Series(noise), prompts(40))
        assert size is not None
        sizes.append(size)
        seen += p_of([0.2215 + each for each in noise], Draws(400, 0)) <= 0.05
    assert np.mean(sizes) == pytest.approx(0.2215, abs=0.005)
    assert 0.7 <= seen / 300 <= 0.87


def test_nothing_is_said_of_what_could_be_seen_where_no_prompts_differ() -> None:
    assert visible(pl.Series([0.0] * 9), prompts(9)) is None
    assert visible(pl.Series([1.0]), prompts(1)) is None


def test_tests_that_are_looked_at_together_are_held_to_more() -> None:
    # As in Holm's own example: each by those that are left, and never less than one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]
