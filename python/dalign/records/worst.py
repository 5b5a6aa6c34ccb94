"""Results by the worst of what was made of a prompt: goodness@0.1 of the paper (section 3.1.3), and whether any variant fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from dalign.data.transformed import ORIGIN, PLAIN, TRANSFORM
from dalign.errors import InputError
from dalign.evaluate.intervals import Draws, Interval, of_share
from dalign.evaluate.metrics import Cell, cells
from dalign.records.record import Record
from dalign.records.slices import evaluated, values_of
from dalign.rows import GRADES

# A share of so many techniques that is a whole number but for rounding is that number.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class WorstRow:
    """How good an arm is where it is worst: over prompts the mean of each one's worst variants.

    share: of its variants, the worst of which count, at least one. mean: by the share of a variant's completions that pass;
    strict: by whether all of them do. prompts: that have variants; least, most: how many variants each has that were graded.
    missing: completions without a grade.
    """

    arm: str
    suite: str
    metric: str
    grader: str
    share: float
    mean: Interval
    strict: Interval
    prompts: int
    least: int
    most: int
    missing: int


def worst_of(record: Record, share: float, key: str = ORIGIN) -> list[WorstRow]:
    """Of every finished arm, and each suite whose prompts have the key: variants of one prompt are those that it says the same of.

    The prompts as they are (`dalign data transform --with-plain`) are no variants. Raises InputError for a share outside 0…1, for
    a key that no suite has, and where no arm has been evaluated.
    """
    if not 0 <= share <= 1:
        said = f"--worst {share:g}: a share of a prompt's variants; give one from 0, its worst alone, to 1, all of them"
        raise InputError(said, kind="out_of_range", key="worst", value=share)
    variants = {
        name: _variants(found, record, name)
        for name, found in values_of(record, key, "--of").items()
    }
    draws = Draws(record.config.evaluate.resamples, record.config.run.seed)
    if not any(of.height for of in variants.values()):
        said = f"--of {key}: every prompt that has this key is one as it is (transform = '{PLAIN}'), and none a variant; give their variants too (dalign data transform)"
        raise InputError(said, kind="empty", key=key)
    return [
        row
        for arm in evaluated(record)
        for suite, of in variants.items()
        if of.height
        for row in _of_suite(record, arm, suite, of, share, draws)
    ]


def _variants(values: pl.DataFrame, record: Record, suite: str) -> pl.DataFrame:
    """Columns prompt_id and value of the prompts that are variants of another."""
    kinds = values_of(record, TRANSFORM)[suite].rename({"value": "kind"})
    both = values.drop_nulls("value").join(kinds, on="prompt_id")
    return both.filter(pl.col("kind").ne_missing(PLAIN)).drop("kind")


def _of_suite(
    record: Record, arm: str, suite: str, variants: pl.DataFrame, share: float, draws: Draws
) -> Iterator[WorstRow]:
    grades = record.stage(f"evaluate/{arm}").table(GRADES).scan()
    for cell in cells(grades.filter(pl.col("suite") == suite)):
        rows = cell.of(grades).join(variants, on="prompt_id")
        if rows["grade"].count():
            yield _row(arm, cell, rows, share, draws)


def _row(arm: str, cell: Cell, rows: pl.DataFrame, share: float, draws: Draws) -> WorstRow:
    by_variant = (
        rows.drop_nulls("grade")
        .group_by("value", "prompt_id")
        .agg(mean=pl.col("grade").mean(), strict=(pl.col("grade") == 1).all().cast(pl.Float64))
    )
    of_prompt = by_variant.group_by("value").agg(
        pl.len().alias("variants"), *(_worst(pl.col(form), share) for form in ("mean", "strict"))
    ).sort("value")  # fmt: skip
    each = pl.Series(range(of_prompt.height), dtype=pl.UInt32)
    mean, strict = (of_share(of_prompt[form], each, draws) for form in ("mean", "strict"))
    least, most = of_prompt.select(least=pl.col("variants").min(), most=pl.col("variants").max()).row(0)  # fmt: skip
    missing = rows["grade"].null_count()
    return WorstRow(arm, *cell, share, mean, strict, of_prompt.height, least, most, missing)


def _worst(form: pl.Expr, share: float) -> pl.Expr:
    """The mean of a prompt's worst variants: of J of them ceil(share J), at least one."""
    counted = ((pl.len() * share) - _ROUNDING).ceil().clip(lower_bound=1).cast(pl.UInt32)
    return form.sort().head(counted).mean()
