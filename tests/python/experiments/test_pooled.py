"""Figures over seeds: worked by hand, paired by sample, and covering what is true where seeds differ."""

from __future__ import annotations

import random

import polars as pl
import pytest
from dalign.evaluate.intervals import Draws, of_loss, of_share
from dalign.experiments.pooled import changes, figures, forgotten

SEED = pl.UInt32


def frame(rights, metric="capability", suite="s", samples=1):
    """Grades: by seed, of each prompt so many right samples."""
    rows = [
        (seed, suite, metric, f"p{p}", nth, float(nth < count))
        for seed, right in rights.items()
        for p, count in enumerate(right)
        for nth in range(samples)
    ]
    schema = {"seed": SEED, "suite": pl.String, "metric": pl.String, "prompt_id": pl.String, "nth": pl.Int64, "grade": pl.Float64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


DRAWS = Draws(400, 0)


def test_a_mean_is_over_all_seeds_with_the_range_of_theirs() -> None:
    grades = {("full-0", "sft"): frame({0: [1, 1, 0, 0], 1: [1, 1, 1, 0]})}
    [found] = figures(grades, DRAWS)
    assert found[:5] == ("full-0", "sft", "s", "capability", 0.625)
    assert (found.smallest, found.largest, found.n) == (0.5, 0.75, 8)
    assert found.low is not None and found.high is not None
    assert found.low < 0.5 and found.high > 0.75


def test_what_is_forgotten_is_of_what_the_base_had_right() -> None:
    grades = {
        ("full-0", "none"): frame({0: [1, 1, 1, 0], 1: [1, 1, 0, 0]}),
        ("full-0", "sft"): frame({0: [1, 0, 0, 0], 1: [1, 1, 0, 1]}),
        ("full-0", "sft+rl"): frame({0: [1, 0, 0, 0], 1: [0, 0, 0, 0]}),
    }
    sft, both = forgotten(grades, DRAWS)
    # Five were right, and four are.
    assert sft.value == pytest.approx(1 / 5)
    assert (sft.smallest, sft.largest) == (pytest.approx(-1 / 2), pytest.approx(2 / 3))
    # After SFT four, after RL one: half of the sum.
    assert both.arm == "sft+rl"
    assert both.value == pytest.approx(1 - 2.5 / 5)


def test_cells_are_held_against_each_other_on_the_same_samples() -> None:
    grades = {
        ("full-0", "sft"): frame({0: [1, 1, 0, 0], 1: [1, 0, 0, 0]}),
        ("lora-0", "sft"): frame({1: [1, 1, 1, 0], 0: [1, 1, 1, 0]}),
        ("full-0", "none"): frame({0: [1] * 4, 1: [1] * 4}),
        ("lora-0", "none"): frame({0: [1] * 4, 1: [1] * 4}),
    }
    [found] = changes(grades, [("full-0", "lora-0")], DRAWS)
    assert found[:5] == ("full-0", "lora-0", "sft", "s", "capability")
    assert found.difference == pytest.approx(3 / 8)
    assert found.low < found.difference < found.high
    assert changes({k: v for k, v in grades.items() if k[0] == "full-0"}, [("full-0", "lora-0")], DRAWS) == []  # fmt: skip


def test_one_seed_alone_is_no_level_of_its_own() -> None:
    rows = frame({7: [1, 0, 1, 1, 0, 1]})
    prompts = pl.Series(range(6), dtype=SEED)
    [found] = figures({("full-0", "sft"): rows}, DRAWS)
    assert found[4:7] == tuple(of_share(rows["grade"], prompts, DRAWS))


def test_a_loss_over_seeds_that_differ_is_as_wide_as_they_are() -> None:
    # Each seed says the same of each of its prompts: over prompts alone there is next to no width.
    prompts = pl.Series([p for _ in range(4) for p in range(50)], dtype=SEED)
    seeds = pl.Series([s for s in range(4) for _ in range(50)], dtype=SEED)
    before = pl.Series([1.0] * 200)
    after = pl.Series([float(s % 2 == 0 or p % 10 == 0) for s in range(4) for p in range(50)])
    alone = of_loss(before, after, prompts, DRAWS)
    found = of_loss(before, after, prompts, DRAWS, seeds)
    assert alone is not None and found is not None
    assert found.mean == alone.mean == pytest.approx(0.45)
    assert alone.high - alone.low < 0.1 < 0.8 < found.high - found.low


def test_losses_over_seeds_cover_what_is_true() -> None:
    covered, rng = 0, random.Random(5)
    for run in range(200):
        parts = []
        for seed in range(8):
            lost = min(1.0, max(0.0, rng.gauss(0.3, 0.1)))
            parts += [(seed, p, 1.0, float(rng.random() >= lost)) for p in range(40)]
        rows = pl.DataFrame(parts, schema={"seed": SEED, "p": SEED, "b": pl.Float64, "a": pl.Float64}, orient="row")  # fmt: skip
        found = of_loss(rows["b"], rows["a"], rows["p"], Draws(200, run), rows["seed"])
        assert found is not None
        covered += found.low <= 0.3 <= found.high
    assert 0.86 <= covered / 200 <= 0.99
