"""How much of what a model could do its trainings cost: the forgetting of Luo et al. 2023 (2308.08747v5, equation 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from dalign.evaluate.intervals import Draws, of_loss
from dalign.evaluate.metrics import Cell, cells, numbered, prompts_of
from dalign.figures import ForgettingRow, KlRow
from dalign.vocabulary import BASE, BY_TRUTH, CAPABILITY, lineage


def forgetting_rows(
    grades: Mapping[str, pl.LazyFrame], *, resamples: int, seed: int
) -> list[ForgettingRow]:
    """Of each trained arm and suite that measures capability how much was forgotten; by truth where it is known, else by the judge.

    The mean, over the trainings that led to the arm and that were evaluated, of (before - after) / before: after is what
    is right after one training, before what the base has right, of the same prompts and samples. None where the base has
    nothing right. grades: of each arm, the base among them; columns `Grade`.
    """
    if BASE not in grades:
        return []
    base, found = cells(grades[BASE]), []
    for arm in grades:
        steps = [each.name for each in lineage(arm) if each.name in grades]
        for cell in cells(grades[arm]):
            is_second = cell.grader != BY_TRUTH and cell._replace(grader=BY_TRUTH) in base
            if steps and cell.metric == CAPABILITY and cell in base and not is_second:
                found.append(_row(grades, cell, arm, steps, Draws(resamples, seed)))
    return found


def _row(
    grades: Mapping[str, pl.LazyFrame], cell: Cell, arm: str, steps: Sequence[str], draws: Draws
) -> ForgettingRow:
    both = numbered(cell.of(grades[BASE]))
    for step in steps:
        after = numbered(cell.of(grades[step])).rename({"grade": step})
        both = both.join(after, on=["prompt_id", "nth"])
    both = both.sort("prompt_id", "nth")
    lost = None
    if both.height:
        mean = both.select(pl.mean_horizontal(steps)).to_series()
        lost = of_loss(both["grade"], mean, prompts_of(both), draws)
    value, low, high = lost or (None, None, None)
    return ForgettingRow(arm, cell.suite, tuple(steps), value, low, high, both.height)


def too_far(rows: Sequence[KlRow], most: float | None) -> list[str]:
    """A sentence for each arm that is farther from the base than this; none without a bound. most: nats a token."""
    return [
        f"arm {row.arm} is {row.value:.4f} nats a token from the base on data.held_out, more than evaluate.max_kl = {most:g} allows."
        for row in rows
        if most is not None and row.value > most
    ]


def forgotten(rows: Sequence[ForgettingRow], most: float | None) -> list[str]:
    """A sentence for each arm and suite of which more was forgotten than this share; none without a bound."""
    return [
        f"arm {row.arm} has forgotten {100 * row.value:.1f} % of what the base can do (suite {row.suite}), more than evaluate.max_forgetting = {most:g} allows."
        for row in rows
        if most is not None and row.value is not None and row.value > most
    ]
