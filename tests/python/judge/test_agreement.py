"""Statistics of labels and scores: published examples, definitions written out, and intervals that cover."""

from __future__ import annotations

import math
import random
from itertools import permutations, product

import numpy as np
import pytest
from dalign.evaluate.erring import prediction_powered, rogan_gladen
from dalign.figures import Share
from dalign.judge.agreement import (
    auroc,
    best_threshold,
    cohen_kappa,
    confusion,
    fleiss_kappa,
    krippendorff_alpha,
    reliability_diagram,
    share_of,
)

SEEDS = range(30)
# How often 1,000 intervals of 95 % are to hold the rate.
COVERS = (0.93, 0.97)


def flags(rng: random.Random, n: int, share: float) -> np.ndarray:
    return np.array([rng.random() < share for _ in range(n)])


def test_cohens_kappa_of_a_known_table() -> None:
    """20 yes and 15 no of both, 5 and 10 otherwise: 0.7 agreed, 0.5 by chance."""
    one = ["y"] * 20 + ["y"] * 5 + ["n"] * 10 + ["n"] * 15
    other = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(one, other) == pytest.approx(0.4)
    assert cohen_kappa(one, one) == 1.0
    assert cohen_kappa(["y"] * 5, ["y"] * 5) is None


def test_fleiss_kappa_of_his_own_example() -> None:
    """Fourteen raters, ten items, five labels (Fleiss 1971): 0.210."""
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(np.array(table)) == pytest.approx(0.2099, abs=1e-4)
    assert fleiss_kappa(np.array([[3, 0], [3, 0]])) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_is_one_less_observed_by_expected_disagreement(seed: int) -> None:
    rng = random.Random(seed)
    items = [[float(rng.randrange(3)) for _ in range(rng.randrange(4))] for _ in range(12)]
    paired = [item for item in items if len(item) > 1]
    values = [value for item in paired for value in item]
    scales = (("nominal", lambda a, b: float(a != b)), ("interval", lambda a, b: (a - b) ** 2))
    for scale, distance in scales:
        seen = sum(
            sum(distance(a, b) for a, b in permutations(item, 2)) / (len(item) - 1)
            for item in paired
        )
        by_chance = sum(distance(a, b) for a, b in permutations(values, 2)) / (len(values) - 1)
        assert krippendorff_alpha(items, scale) == pytest.approx(1 - seen / by_chance, abs=1e-9)
    assert krippendorff_alpha([[1.0], [0.0]], "nominal") is None


@pytest.mark.parametrize("seed", SEEDS)
def test_auroc_and_threshold_by_counting(seed: int) -> None:
    rng = random.Random(seed)
    n = rng.randrange(4, 40)
    passes, scores = flags(rng, n, 0.6), np.array([float(rng.randrange(5)) for _ in range(n)])
    if passes.all() or not passes.any():
        assert auroc(passes, scores) is None and best_threshold(passes, scores) is None
        return
    good, bad = scores[passes].tolist(), scores[~passes].tolist()
    won = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(good, bad)]
    assert auroc(passes, scores) == pytest.approx(sum(won) / len(won), abs=1e-12)
    each = {
        t: (sum(a >= t for a in good) / len(good) + sum(b < t for b in bad) / len(bad)) / 2
        for t in sorted(set(scores.tolist()))
    }
    best = best_threshold(passes, scores)
    assert best is not None
    assert best.balanced == pytest.approx(max(each.values()), abs=1e-12)
    assert best.score == min(t for t, v in each.items() if math.isclose(v, max(each.values())))


def test_the_confusion_and_the_diagram_count_each_answer_once() -> None:
    passes = np.array([True, True, False, False, True])
    says = np.array([True, False, False, True, True])
    found = confusion(passes, says)
    counts = (
        found.failed_rightly,
        found.failed_wrongly,
        found.passed_rightly,
        found.passed_wrongly,
    )
    assert counts == (1, 1, 2, 1)
    bins = reliability_diagram(passes, np.array([0.0, 1.0, 9.99, 10.0, 5.0]), 0.0, 10.0)
    assert [(each.low, each.n, each.passing.hits) for each in bins] == [
        (0.0, 1, 1), (1.0, 1, 1), (5.0, 1, 1), (9.0, 2, 0),
    ]  # fmt: skip
    assert bins[-1].mean == pytest.approx(9.995)


def test_a_rate_is_put_right_by_the_judges_errors() -> None:
    """A judge that fails 9 of 10 failing answers and 2 of 10 passing ones: of 34 % failed, 20 % fail."""
    passing, sens, spec = Share(6600, 10000, 0.66, 0, 1), Share(900, 1000, 0.9, 0, 1), Share(800, 1000, 0.8, 0, 1)  # fmt: skip
    found = rogan_gladen(passing, sens, spec)
    assert found is not None and found.value == pytest.approx(0.8)
    assert found.low < 0.8 < found.high
    # More labels, a narrower interval; from fewer answers, a wider one.
    few = rogan_gladen(passing, Share(90, 100, 0.9, 0, 1), Share(80, 100, 0.8, 0, 1))
    assert few is not None and few.high - few.low > found.high - found.low
    coin = Share(500, 1000, 0.5, 0, 1)
    assert rogan_gladen(passing, coin, coin) is None
    assert rogan_gladen(passing, share_of(np.zeros(0, bool)), spec) is None


@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity", "labelled", "others"),
    [(0.8, 0.8, 0.9, 300, 2000), (0.9, 0.7, 0.95, 300, 1000), (0.5, 0.85, 0.85, 200, 5000)],
)
def test_corrected_intervals_cover_the_rate(
    rate: float, sensitivity: float, specificity: float, labelled: int, others: int
) -> None:
    rng = np.random.default_rng(7)
    by_errors = by_labels = by_nothing = 0
    for _ in range(1000):
        passes, rest = rng.random(labelled) < rate, rng.random(others) < rate
        says, told = (
            np.where(
                each, rng.random(len(each)) < specificity, rng.random(len(each)) >= sensitivity
            )
            for each in (passes, rest)
        )
        known = share_of(told), share_of(~says[~passes]), share_of(says[passes])
        one, two = rogan_gladen(*known), prediction_powered(*known)
        assert one is not None and two is not None
        by_errors += one.low <= rate <= one.high
        by_labels += two.low <= rate <= two.high
        raw = share_of(told)
        by_nothing += (raw.low or 0) <= rate <= (raw.high or 0)
    assert COVERS[0] <= by_errors / 1000 <= COVERS[1]
    assert COVERS[0] <= by_labels / 1000 <= COVERS[1]
    # What the judge says by itself does not, unless its errors cancel out.
    assert by_nothing / 1000 < COVERS[0] or rate == 0.5


def test_prediction_powered_is_the_mean_put_right_by_the_mean_error_row_by_row() -> None:
    rng = np.random.default_rng(3)
    passes, rest = rng.random(6000) < 0.7, rng.random(40000) < 0.8
    says = np.where(rng.random(6000) < 0.85, passes, ~passes)
    found = prediction_powered(share_of(rest), share_of(~says[~passes]), share_of(says[passes]))
    error = says.astype(float) - passes.astype(float)
    value = rest.mean() - error.mean()
    spread = 1.959963984540054 * math.sqrt(rest.var(ddof=1) / 40000 + error.var(ddof=1) / 6000)
    assert found is not None and found.value == pytest.approx(value, abs=1e-9)
    # Of many rows the interval is the usual one.
    assert found[1:] == pytest.approx((value - spread, value + spread), abs=0.05 * spread)
    # Both kinds of errors as frequent: they are of the same rows, and go against each other.
    even = prediction_powered(
        Share(10**7, 2 * 10**7, 0.5, 0.5, 0.5), *[share_of(np.arange(3000) % 10 > 3)] * 2
    )
    assert even is not None
    assert even.high - even.low == pytest.approx(2 * 1.96 * math.sqrt(0.4 / 6000), rel=0.01)
    none, one = share_of(np.zeros(0, bool)), share_of(np.ones(1, bool))
    assert prediction_powered(share_of(rest), none, one) is None
    assert prediction_powered(one, share_of(~says[~passes]), share_of(says[passes])) is None


@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity", "labelled", "others"),
    [(0.97, 0.95, 0.98, 30, 20), (0.97, 0.98, 0.99, 100, 50), (0.9, 0.95, 0.98, 30, 20)],
)
def test_where_hardly_an_error_is_found_an_interval_still_has_a_width(
    rate: float, sensitivity: float, specificity: float, labelled: int, others: int
) -> None:
    rng = np.random.default_rng(11)
    covers, sets = 0, 0
    while sets < 1000:
        passes, rest = rng.random(labelled) < rate, rng.random(others) < rate
        says, told = (
            np.where(
                each, rng.random(len(each)) < specificity, rng.random(len(each)) >= sensitivity
            )
            for each in (passes, rest)
        )
        found = prediction_powered(share_of(told), share_of(~says[~passes]), share_of(says[passes]))
        assert (
            found is not None and found.low < found.high and found.low <= found.value <= found.high
        )
        covers, sets = covers + (found.low <= rate <= found.high), sets + 1
    assert covers / sets >= COVERS[0]


def test_a_corrected_value_lies_within_its_interval() -> None:
    known = Share(97, 100, 0.97, 0, 1), Share(50, 50, 1.0, 0, 1), Share(2, 2, 1.0, 0, 1)
    found = rogan_gladen(*known)
    assert found is not None and found.low <= found.value <= found.high


def test_a_rate_between_two_numbers_of_prompts_has_an_interval_between_theirs() -> None:
    errors = Share(75, 100, 0.75, 0, 1), Share(90, 100, 0.9, 0, 1)
    below, at, above = (
        rogan_gladen(Share(round(hits), 20, hits / 20, 0, 1), *errors) for hits in (10, 10.5, 11)
    )
    assert below is not None and at is not None and above is not None
    assert all(a < b < c for a, b, c in zip(below, at, above, strict=True))


def test_raters_in_pairs_are_as_by_fleiss_where_they_are_two() -> None:
    rng = random.Random(3)
    pairs = [(rng.random() < 0.5, rng.random() < 0.5) for _ in range(50)]
    counts = np.array([[sum(p), 2 - sum(p)] for p in pairs])
    agreed = np.mean([a == b for a, b in pairs])
    share = counts[:, 0].sum() / 100
    chance = share**2 + (1 - share) ** 2
    assert fleiss_kappa(counts) == pytest.approx((agreed - chance) / (1 - chance))
