"""A row's journey: everything in a run that descends from one prompt, or leads to one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dalign.errors import InputError
from dalign.figures import JourneyStep, Scalar
from dalign.pipeline.stages.evaluate import GRADES
from dalign.pipeline.stages.judge import SCORES
from dalign.records.record import Record
from dalign.rows import OK, Prompt, messages_json
from dalign.store.parts import DROPPED, ROWS
from dalign.vocabulary import ARMS

# Rollouts of a prompt that are shown, the last ones.
_ROLLOUTS = 2


@dataclass(frozen=True)
class Journey:
    """A prompt, and what became of it. sources: the files that it stands in, such as `prompts` or `suites/NAME`."""

    prompt: Prompt
    sources: tuple[str, ...]
    steps: tuple[JourneyStep, ...]


def journeys_of(record: Record, row_id: str) -> list[Journey]:
    """The journeys of the row with that id, or whose id starts so: several where different prompts have the same id.

    Raises InputError if there is none, or if rows of prompts with other ids start so too.
    """
    owners = dict.fromkeys(_owners(record, row_id))
    names = sorted({name for _, name in owners})
    if not names:
        raise InputError(
            f"{record.run.path}: no row's id starts with '{row_id}'; ids stand in the first column of the Parquet files and in the report",
            kind="no_row",
            value=row_id,
        )
    if len(names) > 1:
        raise InputError(
            f"'{row_id}' is the start of {len(names)} prompts' rows (such as {', '.join(names[:3])}); give more characters",
            kind="several_rows",
            value=row_id,
        )
    found: dict[tuple[str, str], tuple[Prompt, list[str]]] = {}
    for source, name in owners:
        rows = record.sources[source].table.scan().filter(pl.col("id") == name).collect()
        for prompt in Prompt.read(rows):
            key = (prompt.category, messages_json(prompt.messages))
            found.setdefault(key, (prompt, []))[1].append(source)
    return [
        Journey(prompt, tuple(sources), tuple(_steps(record, prompt, sources)))
        for prompt, sources in found.values()
    ]


def _owners(record: Record, start: str) -> Iterator[tuple[str, str]]:
    """The prompts, as (source, id), of the rows whose id starts so."""
    for source, held in record.sources.items():
        rows = held.table.scan().filter(pl.col("id").str.starts_with(start)).select("id").collect()
        yield from ((source, name) for name in rows["id"])
    of_completions = _prompts_of(record, "generate/main", pl.col("id").str.starts_with(start))
    verdicts = _found(record, "judge/main", ROWS, pl.col("id").str.starts_with(start))
    if verdicts is not None:
        mine = verdicts["completion_id"].unique().to_list()
        of_completions += _prompts_of(record, "generate/main", pl.col("id").is_in(mine))
    of_completions += _prompts_of(record, "select/main", pl.col("id").str.starts_with(start))
    yield from (("prompts", name) for name in of_completions)
    rl_source = "rl_prompts" if "rl_prompts" in record.sources else "prompts"
    for arm in _trained_by_rl():
        of_rollouts = _prompts_of(record, f"rl/{arm}", pl.col("id").str.starts_with(start))
        yield from ((rl_source, name) for name in of_rollouts)
    for arm in record.config.evaluate.arms:
        rows_of = _found(record, f"evaluate/{arm}", ROWS, pl.col("id").str.starts_with(start))
        if rows_of is not None:
            for suite, name in rows_of.select("suite", "prompt_id").iter_rows():
                yield f"suites/{suite}", name


def _trained_by_rl() -> list[str]:
    return [arm.name for arm in ARMS.values() if arm.trained_by == "rl"]


def _found(record: Record, stage: str, table: str, where: pl.Expr) -> pl.DataFrame | None:
    """The rows of a stage's table; None where it has none yet."""
    held = record.stage(stage).table(table)
    return held.scan().filter(where).collect() if held.paths() else None


def _prompts_of(record: Record, stage: str, where: pl.Expr) -> list[str]:
    rows = _found(record, stage, ROWS, where)
    return [] if rows is None else rows["prompt_id"].unique(maintain_order=True).to_list()


def _rows(
    record: Record, stage: str, table: str, column: str, values: Sequence[str]
) -> Iterator[dict[str, Any]]:
    rows = _found(record, stage, table, pl.col(column).is_in(values)) if values else None
    if rows is not None:
        yield from rows.iter_rows(named=True)


def _steps(record: Record, prompt: Prompt, sources: Sequence[str]) -> Iterator[JourneyStep]:
    """The stations, stage by stage."""
    if "prompts" in sources:
        yield from _data_steps(record, prompt)
    if "rl_prompts" in sources or ("prompts" in sources and "rl_prompts" not in record.sources):
        yield from _rollout_steps(record, prompt)
    suites = [source.partition("/")[2] for source in sources if source.startswith("suites/")]
    yield from _evaluation_steps(record, prompt, suites)


def _data_steps(record: Record, prompt: Prompt) -> Iterator[JourneyStep]:
    mine = []
    for row in _rows(record, "generate/main", ROWS, "prompt_id", [prompt.id]):
        mine.append(row["id"])
        facts = {"completion": row["index"], "finish": row["finish"], "tokens": row["tokens"]}
        yield JourneyStep("generate", row["id"], row["text"], facts)
    for row in _rows(record, "filter/main", DROPPED, "id", mine):
        yield JourneyStep("filter", row["id"], row["detail"], {"dropped": row["reason"]})
    for row in _rows(record, "filter/main", ROWS, "id", mine):
        parts = f"reasoning: {row['reasoning']}\nanswer: {row['answer']}"
        yield JourneyStep("filter", row["id"], parts, {"status": OK})
    for row in _rows(record, "judge/main", ROWS, "completion_id", mine):
        facts = {"sample": row["sample"], "state": row["state"], "score": row["score"]}
        yield JourneyStep("judge", row["id"], row["reply"], facts)
    for row in _rows(record, "judge/main", SCORES, "completion_id", mine):
        how = {"aggregate": record.config.judge.aggregate, "valid": row["n_valid"]}
        yield JourneyStep("judge", row["completion_id"], "", how | {"score": row["score"]})
    for row in _rows(record, "select/main", DROPPED, "id", mine):
        facts = {"dropped": row["reason"], "detail": row["detail"]}
        yield JourneyStep("select", row["id"], "", facts)
    for row in _rows(record, "select/main", ROWS, "prompt_id", [prompt.id]):
        parts = f"{row['reasoning']}\n{row['answer']}"
        yield JourneyStep("select", row["id"], parts, {"score": row["score"]})
        yield from _packed(record, row["id"])


def _packed(record: Record, example: str) -> Iterator[JourneyStep]:
    held = record.stage("pack/main").table()
    if not held.paths():
        return
    bins = held.scan().select("rows", "input_ids").with_row_index("bin")
    for row in bins.filter(pl.col("rows").list.contains(example)).collect().iter_rows(named=True):
        facts = {"bin": row["bin"], "rows": len(row["rows"]), "tokens": len(row["input_ids"])}
        yield JourneyStep("pack", example, "", facts)


def _rollout_steps(record: Record, prompt: Prompt) -> Iterator[JourneyStep]:
    for arm in _trained_by_rl():
        rows = list(_rows(record, f"rl/{arm}", ROWS, "prompt_id", [prompt.id]))
        for row in rows[-_ROLLOUTS:]:
            facts = {"arm": arm, "step": row["step"], "reward": row["reward"]}
            yield JourneyStep("rl", row["id"], row["text"], facts | {"rollouts": len(rows)})


def _evaluation_steps(
    record: Record, prompt: Prompt, suites: Sequence[str]
) -> Iterator[JourneyStep]:
    for arm in record.config.evaluate.arms:
        stage, grades = f"evaluate/{arm}", dict[str, dict[str, Scalar]]()
        for row in _rows(record, stage, GRADES, "prompt_id", [prompt.id]):
            metric = f"{row['metric']} by {row['grader']}"
            grades.setdefault(row["id"], {})[metric] = row["grade"]
        for row in _rows(record, stage, ROWS, "prompt_id", [prompt.id]):
            if row["suite"] in suites:
                facts = {"arm": arm, "suite": row["suite"], "status": row["status"]}
                facts |= grades.get(row["id"], {})
                yield JourneyStep("evaluate", row["id"], row["text"], facts)
