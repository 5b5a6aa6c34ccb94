"""A row's journey: everything in a run that descends from one prompt, or leads to one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dalign.errors import InputError
from dalign.pipeline.stages.evaluate import GRADES
from dalign.pipeline.stages.judge import SCORES
from dalign.records.record import Record
from dalign.rows import Prompt, messages_json
from dalign.store.parts import DROPPED, ROWS
from dalign.vocabulary import ARMS

# Rollouts of a prompt that are shown, the last ones.
_ROLLOUTS = 2


@dataclass(frozen=True)
class Step:
    """One station of a journey. `text` is model output or user input: untrusted."""

    stage: str
    row: str
    text: str
    note: str


@dataclass(frozen=True)
class Journey:
    """A prompt, and what became of it. sources: the files that it stands in, such as `prompts` or `suites/NAME`."""

    prompt: Prompt
    sources: tuple[str, ...]
    steps: tuple[Step, ...]


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


def _steps(record: Record, prompt: Prompt, sources: Sequence[str]) -> Iterator[Step]:
    """The stations, stage by stage."""
    if "prompts" in sources:
        yield from _data_steps(record, prompt)
    if "rl_prompts" in sources or ("prompts" in sources and "rl_prompts" not in record.sources):
        yield from _rollout_steps(record, prompt)
    suites = [source.partition("/")[2] for source in sources if source.startswith("suites/")]
    yield from _evaluation_steps(record, prompt, suites)


def _data_steps(record: Record, prompt: Prompt) -> Iterator[Step]:
    mine = []
    for row in _rows(record, "generate/main", ROWS, "prompt_id", [prompt.id]):
        mine.append(row["id"])
        told = f"completion {row['index']}, ended by {row['finish']}, {row['tokens']} tokens"
        yield Step("generate", row["id"], row["text"], told)
    for row in _rows(record, "filter/main", DROPPED, "id", mine):
        yield Step("filter", row["id"], row["detail"], f"dropped: {row['reason']}")
    for row in _rows(record, "filter/main", ROWS, "id", mine):
        parts = f"reasoning: {row['reasoning']}\nanswer: {row['answer']}"
        yield Step("filter", row["id"], parts, "well formed")
    for row in _rows(record, "judge/main", ROWS, "completion_id", mine):
        score = "no score" if row["score"] is None else f"score {row['score']:g}"
        told = f"sample {row['sample']}: {row['state']}, {score}"
        yield Step("judge", row["id"], row["reply"], told)
    for row in _rows(record, "judge/main", SCORES, "completion_id", mine):
        score = "unjudged" if row["score"] is None else f"{row['score']:g}"
        how = f"{record.config.judge.aggregate} over {row['n_valid']} valid verdicts"
        yield Step("judge", row["completion_id"], "", f"{how}: {score}")
    for row in _rows(record, "select/main", DROPPED, "id", mine):
        yield Step("select", row["id"], "", f"dropped: {row['reason']} ({row['detail']})")
    for row in _rows(record, "select/main", ROWS, "prompt_id", [prompt.id]):
        told = f"training example, score {row['score']:g}; the policy is not in it"
        yield Step("select", row["id"], f"{row['reasoning']}\n{row['answer']}", told)
        yield from _packed(record, row["id"])


def _packed(record: Record, example: str) -> Iterator[Step]:
    held = record.stage("pack/main").table()
    if not held.paths():
        return
    bins = held.scan().select("rows", "input_ids").with_row_index("bin")
    for row in bins.filter(pl.col("rows").list.contains(example)).collect().iter_rows(named=True):
        others, tokens = len(row["rows"]) - 1, len(row["input_ids"])
        told = f"in bin {row['bin']} with {others} other rows, {tokens} tokens in all"
        yield Step("pack", example, "", told)


def _rollout_steps(record: Record, prompt: Prompt) -> Iterator[Step]:
    for arm in _trained_by_rl():
        rows = list(_rows(record, f"rl/{arm}", ROWS, "prompt_id", [prompt.id]))
        for row in rows[-_ROLLOUTS:]:
            reward = "missing" if row["reward"] is None else f"{row['reward']:.2f}"
            told = f"{arm}, step {row['step']}: reward {reward} ({len(rows)} rollouts in all)"
            yield Step("rl", row["id"], row["text"], told)


def _evaluation_steps(record: Record, prompt: Prompt, suites: Sequence[str]) -> Iterator[Step]:
    for arm in record.config.evaluate.arms:
        stage, grades = f"evaluate/{arm}", dict[str, list[str]]()
        for row in _rows(record, stage, GRADES, "prompt_id", [prompt.id]):
            grade = "missing" if row["grade"] is None else f"{row['grade']:g}"
            grades.setdefault(row["id"], []).append(f"{row['metric']} by {row['grader']} {grade}")
        for row in _rows(record, stage, ROWS, "prompt_id", [prompt.id]):
            if row["suite"] in suites:
                told = ", ".join(grades.get(row["id"], ["not graded"]))
                where = f"arm {arm}, suite {row['suite']}"
                yield Step("evaluate", row["id"], row["text"], f"{where}: {told}")
