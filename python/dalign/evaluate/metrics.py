"""Metrics with intervals: means of grades, and paired differences between arms, bootstrapped over prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from dalign import _core

LEVEL = 0.95
METRICS = ("not_unsafe", "not_overrefuse", "style_adherence", "policy_retrieval", "capability")
GRADERS = ("truth", "judge")

Row = dict[str, Any]


def metric_rows(
    arm: str, grades: pl.DataFrame, *, resamples: int, seed: int, rows_path: str
) -> list[Row]:
    """One row a suite, metric and grader: the mean grade with its 95 % interval, prompts resampled whole.

    value is None where no completion could be graded; n counts the graded completions.
    """
    rows = []
    for suite, metric, grader in _cells(grades):
        part = _cell(grades, suite, metric, grader).filter(pl.col("grade").is_not_null())
        value = low = high = None
        if part.height:
            value, low, high = _core.bootstrap_mean(
                part["grade"], _clusters(part), None, "percentile", resamples, LEVEL, seed
            )
        row = {
            "arm": arm,
            "suite": suite,
            "metric": metric,
            "grader": grader,
            "value": value,
            "low": low,
            "high": high,
        }
        rows.append(row | {"n": part.height, "seed": seed, "rows_path": rows_path})
    return rows


def paired_rows(
    grades: Mapping[str, pl.DataFrame],
    pairs: Sequence[tuple[str, str]],
    *,
    resamples: int,
    seed: int,
) -> list[Row]:
    """Differences arm_b - arm_a on the same prompts and samples, by truth where it is known, else by the judge."""
    rows = []
    for arm_a, arm_b in pairs:
        for suite, metric, grader in _best_graded(_cells(grades[arm_b])):
            left = _paired(grades[arm_a], suite, metric, grader)
            both = left.join(
                _paired(grades[arm_b], suite, metric, grader), on=["prompt_id", "nth"], suffix="_b"
            ).sort("prompt_id", "nth")
            if both.is_empty():
                continue
            diff, low, high = _core.bootstrap_difference(
                both["grade_b"],
                both["grade"],
                _clusters(both),
                None,
                "percentile",
                resamples,
                LEVEL,
                seed,
            )
            rows.append(
                {
                    "arm_a": arm_a,
                    "arm_b": arm_b,
                    "suite": suite,
                    "metric": metric,
                    "diff": diff,
                    "low": low,
                    "high": high,
                }
            )
    return rows


def arm_pairs(arms: Sequence[str]) -> list[tuple[str, str]]:
    """Which arms are compared: each with the base, and each training with what it adds to."""
    wanted = [("none", a) for a in arms if a != "none"] + [
        ("sft", "sft+rl"),
        ("rl", "sft+rl"),
        ("spec", "sft+rl"),
        ("summaries", "sft+rl"),
    ]
    return [(a, b) for a, b in wanted if a in arms and b in arms]


def _cells(grades: pl.DataFrame) -> list[tuple[str, str, str]]:
    """The (suite, metric, grader) that occur: suites as they come, metrics and graders in a fixed order."""
    found = set(grades.select("suite", "metric", "grader").unique().iter_rows())
    suites = grades["suite"].unique(maintain_order=True).to_list()
    return [
        cell
        for cell in ((s, m, g) for s in suites for m in METRICS for g in GRADERS)
        if cell in found
    ]


def _best_graded(cells: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [
        cell for cell in cells if cell[2] == "truth" or (cell[0], cell[1], "truth") not in cells
    ]


def _cell(grades: pl.DataFrame, suite: str, metric: str, grader: str) -> pl.DataFrame:
    return grades.filter(
        (pl.col("suite") == suite) & (pl.col("metric") == metric) & (pl.col("grader") == grader)
    )


def _paired(grades: pl.DataFrame, suite: str, metric: str, grader: str) -> pl.DataFrame:
    """The graded rows of a cell, numbered within their prompt."""
    part = _cell(grades, suite, metric, grader)
    numbered = part.with_columns(nth=pl.int_range(pl.len()).over("prompt_id"))
    return numbered.filter(pl.col("grade").is_not_null()).select("prompt_id", "nth", "grade")


def _clusters(part: pl.DataFrame) -> pl.Series:
    """The prompt of each row, as a number."""
    return part["prompt_id"].rank("dense").cast(pl.UInt32) - 1
