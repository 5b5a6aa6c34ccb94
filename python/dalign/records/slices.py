"""Results by what prompts say of themselves: a metric for each value of one of their keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from dalign.errors import InputError, did_you_mean
from dalign.evaluate.metrics import metric_rows
from dalign.figures import MetricRow
from dalign.records.record import Record
from dalign.rows import GRADES
from dalign.vocabulary import ArmName

# Keys of prompts that are columns, beside their labels.
COLUMNS = ("category", "ruling", "clause", "split")


@dataclass(frozen=True)
class SliceRow:
    """A metric on the prompts with one value of a key; value None: those without the key."""

    key: str
    value: str | None
    metric: MetricRow


def results_by(record: Record, key: str) -> list[SliceRow]:
    """The metrics of every finished arm and suite, for each value of a key of the suites' prompts.

    Raises InputError for a key that no prompt of a suite has, and where no arm has been evaluated.
    """
    values = values_of(record, key, "--by")
    return [
        row
        for arm in evaluated(record)
        for suite, of in values.items()
        for row in _of_suite(record, arm, suite, of, key)
    ]


def values_of(record: Record, key: str, option: str | None = None) -> dict[str, pl.DataFrame]:
    """By suite, what its prompts say under a key: columns prompt_id and value, null where they say nothing.

    option: that asks for the key. Raises InputError for one that no prompt of a suite has, where an option asks for it.
    """
    values = {
        name: _values(source.table.scan(), key) for name, source in record.project.suites.items()
    }
    if option and all(found["value"].null_count() == found.height for found in values.values()):
        known = sorted({*COLUMNS, *(name for found in _labels(record) for name in found)})
        said = f"{option} {key}: no prompt of a suite has this key; {did_you_mean(key, known)}"
        raise InputError(said, kind="unknown_key", key=key)
    return values


def evaluated(record: Record) -> list[ArmName]:
    """The arms that have been evaluated. Raises InputError where none has."""
    arms = [arm for arm in record.config.evaluate.arms if record.has(f"evaluate/{arm}")]
    if not arms:
        said = f"{record.run.path}: no arm has been evaluated; run it first"
        raise InputError(said, kind="unfinished", path=record.run.path)
    return arms


def _of_suite(
    record: Record, arm: str, suite: str, values: pl.DataFrame, key: str
) -> Iterator[SliceRow]:
    folder, settings = record.stage(f"evaluate/{arm}"), record.config
    rows = folder.table(GRADES).scan().filter(pl.col("suite") == suite)
    grades = rows.join(values.lazy(), on="prompt_id", how="left", maintain_order="left").collect()
    paths = {row["suite"]: row["rows_path"] for row in folder.recorded("facts")["metrics"]}
    for (value,), part in sorted(
        grades.partition_by("value", as_dict=True, maintain_order=True).items(),
        key=lambda found: (found[0][0] is None, str(found[0][0])),
    ):
        found = metric_rows(
            arm,
            part.drop("value").lazy(),
            resamples=settings.evaluate.resamples,
            seed=settings.run.seed,
            rows_paths=paths,
        )
        yield from (SliceRow(key, None if value is None else str(value), row) for row in found)


def _values(prompts: pl.LazyFrame, key: str) -> pl.DataFrame:
    """Columns prompt_id and value of a suite's prompts."""
    names = prompts.collect_schema().names()
    if key in COLUMNS:
        return prompts.select(prompt_id="id", value=pl.col(key)).collect()
    labels = pl.col("labels") if "labels" in names else pl.lit(None, pl.String)
    found = prompts.select(prompt_id="id", labels=labels).collect()
    told = [json.loads(text).get(key) if text else None for text in found["labels"]]
    return found.select("prompt_id", value=pl.Series(told, dtype=pl.String))


def _labels(record: Record) -> Iterator[set[str]]:
    for source in record.project.suites.values():
        scan = source.table.scan()
        if "labels" in scan.collect_schema().names():
            texts = scan.select("labels").drop_nulls().collect()["labels"]
            yield {name for text in texts for name in json.loads(text)}
