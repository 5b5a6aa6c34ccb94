"""Metrics with intervals: means of grades, and paired differences between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from dalign.evaluate.intervals import Draws, of_difference, of_share
from dalign.figures import MetricRow, PairRow
from dalign.vocabulary import BY_TRUTH, GRADERS, METRICS


class Cell(NamedTuple):
    """What a figure is of."""

    suite: str
    metric: str
    grader: str

    def of(self, grades: pl.LazyFrame) -> pl.DataFrame:
        """Its grades (columns prompt_id, grade), missing ones too, in order."""
        where = [pl.col(name) == value for name, value in self._asdict().items()]
        return grades.filter(where).select("prompt_id", "grade").collect()


def metric_rows(
    arm: str, grades: pl.LazyFrame, *, resamples: int, seed: int, rows_paths: Mapping[str, str]
) -> list[MetricRow]:
    """One row a suite, metric and grader: the mean grade with its 95 % interval (`evaluate.intervals`).

    grades: columns `Grade`. value is None where no completion could be graded; n counts those that are.
    rows_paths: of each suite, where its rows begin.
    """
    rows = []
    for cell in cells(grades):
        every = cell.of(grades)
        part = every.drop_nulls("grade")
        value = low = high = None
        if part.height:
            value, low, high = of_share(part["grade"], prompts_of(part), Draws(resamples, seed))
        missing, path = every.height - part.height, rows_paths[cell.suite]
        rows.append(MetricRow(arm, *cell, value, low, high, part.height, seed, path, missing))
    return rows


def paired_rows(
    grades: Mapping[str, pl.LazyFrame],
    pairs: Sequence[tuple[str, str]],
    *,
    resamples: int,
    seed: int,
) -> list[PairRow]:
    """Differences arm_b - arm_a on the same prompts and samples, by truth where it is known, else by the judge."""
    rows = []
    for arm_a, arm_b in pairs:
        found = cells(grades[arm_b])
        for cell in found:
            if cell.grader != BY_TRUTH and cell._replace(grader=BY_TRUTH) in found:
                continue
            left, right = (numbered(cell.of(grades[arm])) for arm in (arm_a, arm_b))
            both = left.join(right, on=["prompt_id", "nth"], suffix="_b").sort("prompt_id", "nth")
            if both.is_empty():
                continue
            found_diff = of_difference(
                both["grade"], both["grade_b"], prompts_of(both), Draws(resamples, seed)
            )
            rows.append(PairRow(arm_a, arm_b, cell.suite, cell.metric, *found_diff))
    return rows


def cells(grades: pl.LazyFrame) -> list[Cell]:
    """The cells that occur: suites as they come, metrics and graders in a fixed order."""
    names = list(Cell._fields)
    found = grades.select(names).unique(maintain_order=True).collect()
    suites = found["suite"].unique(maintain_order=True).to_list()
    there = set(found.iter_rows())
    every = (Cell(s, m, g) for s in suites for m in METRICS for g in GRADERS)
    return [cell for cell in every if cell in there]


def numbered(part: pl.DataFrame) -> pl.DataFrame:
    """The graded rows of a cell, numbered within their prompt."""
    numbered = part.with_columns(nth=pl.int_range(pl.len()).over("prompt_id"))
    return numbered.drop_nulls("grade")


def prompts_of(part: pl.DataFrame) -> pl.Series:
    """The prompt of each row, as a number."""
    return part["prompt_id"].rank("dense").cast(pl.UInt32) - 1
