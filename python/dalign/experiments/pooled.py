"""Figures over several runs that differ in their seeds: of each cell, and of two cells on the same prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from dalign.evaluate import metrics
from dalign.evaluate.intervals import Draws, of_difference, of_loss, of_share
from dalign.experiments.matrix import CellRun
from dalign.records.record import open_record
from dalign.rows import GRADES
from dalign.vocabulary import BASE, BY_TRUTH, CAPABILITY, lineage

# What identifies a sample over runs.
_SAMPLE = ("seed", "prompt_id", "nth")


class Figure(NamedTuple):
    """A metric of a cell, over its seeds: its mean, between the ends of a 95 % interval over seeds and prompts.

    smallest, largest: of the seeds' own means. n: graded samples. None: nothing was graded.
    """

    cell: str
    arm: str
    suite: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    smallest: float | None
    largest: float | None
    n: int


class Change(NamedTuple):
    """What one cell has more than another of a metric, on the same seeds, prompts and samples; with a 95 % interval."""

    cell_a: str
    cell_b: str
    arm: str
    suite: str
    metric: str
    difference: float
    low: float
    high: float


Pooled = Mapping[tuple[str, str], pl.DataFrame]


def pooled(runs: Sequence[CellRun]) -> Pooled:
    """The grades of all runs by cell and arm: seed, suite, metric, prompt_id, nth (within its prompt), grade; by truth where it is known, else by the judge."""
    found = dict[tuple[str, str], list[pl.DataFrame]]()
    for run in runs:
        record = open_record(run.folder)
        for arm in record.config.evaluate.arms:
            grades = record.stage(f"evaluate/{arm}").table(GRADES).scan()
            parts = [_of_cell(cell, grades, run.seed) for cell in _told(grades)]
            found.setdefault((run.cell.name, arm), []).extend(parts)
    return {key: pl.concat(parts) for key, parts in found.items() if parts}


def _told(grades: pl.LazyFrame) -> list[metrics.Cell]:
    cells = metrics.cells(grades)
    return [c for c in cells if c.grader == BY_TRUTH or c._replace(grader=BY_TRUTH) not in cells]


def _of_cell(cell: metrics.Cell, grades: pl.LazyFrame, seed: int) -> pl.DataFrame:
    rows = metrics.numbered(cell.of(grades))
    return rows.select(
        pl.lit(seed, pl.UInt32).alias("seed"),
        pl.lit(cell.suite).alias("suite"),
        pl.lit(cell.metric).alias("metric"),
        "prompt_id",
        "nth",
        "grade",
    )


def figures(grades: Pooled, draws: Draws) -> list[Figure]:
    """Every metric of every cell and arm. Where an arm is the base and cells do not change it, cells say the same."""
    found = []
    for (cell, arm), frame in grades.items():
        for (suite, metric), rows in frame.group_by("suite", "metric", maintain_order=True):
            interval = of_share(rows["grade"], _prompts(rows), draws, _seeds(rows))
            means = rows.group_by("seed").agg(pl.col("grade").mean())["grade"].to_list()
            row = (cell, arm, str(suite), str(metric), *interval, min(means), max(means))
            found.append(Figure(*row, rows.height))
    return found


def forgotten(grades: Pooled, draws: Draws) -> list[Figure]:
    """Of each cell and trained arm, the share of what the base had right in a capability suite that it has not (Luo et al. 2023, equation 1).

    The mean over the trainings that led to it, as `evaluate.forgetting`.
    """
    found = []
    for (cell, arm), frame in grades.items():
        steps = [each.name for each in lineage(arm) if (cell, each.name) in grades]
        if not steps or (cell, BASE) not in grades:
            continue
        for (suite,), _ in frame.filter(metric=CAPABILITY).group_by("suite", maintain_order=True):
            arms = [_suite(grades[cell, name], str(suite)) for name in (BASE, *steps)]
            both = _together(arms)
            after = both.select(pl.mean_horizontal(both.columns[len(_SAMPLE) + 1 :])).to_series()
            rows = both.select(*_SAMPLE, before="grade", after=after)
            found.append(_loss((cell, arm, str(suite), CAPABILITY), rows, draws))
    return found


def _loss(names: tuple[str, str, str, str], rows: pl.DataFrame, draws: Draws) -> Figure:
    lost = of_loss(rows["before"], rows["after"], _prompts(rows), draws, _seeds(rows))
    if lost is None:
        return Figure(*names, None, None, None, None, None, rows.height)
    sums = rows.group_by("seed").agg(pl.col("before", "after").sum()).filter(pl.col("before") > 0)
    each = (1 - sums["after"] / sums["before"]).to_list()
    return Figure(*names, *lost, min(each), max(each), rows.height)


def changes(grades: Pooled, pairs: Sequence[tuple[str, str]], draws: Draws) -> list[Change]:
    """What each pair's second cell has more than its first, of each metric of each trained arm."""
    found = []
    for cell_a, cell_b in pairs:
        arms = [arm for cell, arm in grades if cell == cell_b and lineage(arm)]
        for arm in (each for each in arms if (cell_a, each) in grades):
            left, right = grades[cell_a, arm], grades[cell_b, arm]
            for (suite, metric), rows in right.group_by("suite", "metric", maintain_order=True):
                here = left.filter(suite=suite, metric=metric)
                both = _together([here.drop("suite", "metric"), rows.drop("suite", "metric")])
                if both.is_empty():
                    continue
                before, after = both["grade"], both.to_series(len(_SAMPLE) + 1)
                interval = of_difference(before, after, _prompts(both), draws, _seeds(both))
                found.append(Change(cell_a, cell_b, arm, str(suite), str(metric), *interval))
    return found


def _suite(frame: pl.DataFrame, suite: str) -> pl.DataFrame:
    return frame.filter(suite=suite, metric=CAPABILITY).drop("suite", "metric")


def _together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The samples that all have, their grades side by side: the first's is `grade`."""
    both = frames[0]
    for number, frame in enumerate(frames[1:], 1):
        both = both.join(frame.rename({"grade": f"grade_{number}"}), on=list(_SAMPLE))
    return both.sort(_SAMPLE)


def _prompts(rows: pl.DataFrame) -> pl.Series:
    return metrics.prompts_of(rows)


def _seeds(rows: pl.DataFrame) -> pl.Series | None:
    """The level of seeds; None where there is one alone: nothing is known of the next one then."""
    return rows["seed"] if rows["seed"].n_unique() > 1 else None
