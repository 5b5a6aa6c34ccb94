"""A row's journey: everything in a run that descends from one prompt, or leads to one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dalign.errors import InputError
from dalign.figures import JourneyStep, Scalar
from dalign.records.record import Record
from dalign.rows import GRADES, OK, SCORES, SHIFTS, VERDICTS, Prompt, Score, Verdict, messages_json
from dalign.store.folder import MAIN
from dalign.store.parts import DROPPED, ROWS
from dalign.vocabulary import BARE, trained_by

# Rollouts of a prompt that are shown, the last ones.
_ROLLOUTS = 2
_VERDICT = ("sample", "state", "score")


@dataclass(frozen=True)
class Journey:
    """A prompt, and what became of it. sources: the files that it stands in, such as `prompts` or `suites/NAME`."""

    prompt: Prompt
    sources: tuple[str, ...]
    steps: tuple[JourneyStep, ...]


def journeys_of(record: Record, row_id: str) -> list[Journey]:
    """The journeys of the row with that id, or else whose id starts so: several where different prompts have the same id.

    Raises InputError if there is none, or if rows of prompts with other ids start so too.
    """
    owners = dict.fromkeys(
        [*_owners(record, pl.col("id") == row_id)]
        or _owners(record, pl.col("id").str.starts_with(row_id))
    )
    names = sorted({name for _, name in owners})
    if not names:
        said = f"{record.run.path}: no row's id starts with '{row_id}'; ids stand in the first column of the Parquet files and in the report"
        raise InputError(said, kind="no_row", value=row_id)
    if len(names) > 1:
        said = f"'{row_id}' is the start of {len(names)} prompts' rows (such as {', '.join(names[:3])}); give more characters"
        raise InputError(said, kind="several_rows", value=row_id)
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


def _owners(record: Record, mine: pl.Expr) -> Iterator[tuple[str, str]]:
    """The prompts, as (source, id), of these rows."""
    for source, held in record.sources.items():
        ids = held.table.scan().filter(mine).select("id").collect()["id"]
        yield from ((source, name) for name in ids)
    for variant in (MAIN, *([BARE] if record.config.select.by_shift else [])):
        judged = [row["completion_id"] for row in _rows(record, f"judge/{variant}", mine)]
        made = _rows(record, f"generate/{variant}", mine | pl.col("id").is_in(judged))
        yield from (("prompts", row["prompt_id"]) for row in made)
    yield from (("prompts", row["prompt_id"]) for row in _rows(record, "select/main", mine))
    for arm in trained_by("distill"):
        yield from (("prompts", r["prompt_id"]) for r in _rows(record, f"distill/{arm}", mine))
    rl_source = "rl_prompts" if "rl_prompts" in record.sources else "prompts"
    for arm in trained_by("rl"):
        yield from ((rl_source, r["prompt_id"]) for r in _rows(record, f"rl/{arm}", mine))
    for arm in record.config.evaluate.arms:
        judged = [row["completion_id"] for row in _rows(record, f"evaluate/{arm}", mine, VERDICTS)]
        for row in _rows(record, f"evaluate/{arm}", mine | pl.col("id").is_in(judged)):
            yield f"suites/{row['suite']}", row["prompt_id"]


def _rows(record: Record, stage: str, where: pl.Expr, table: str = ROWS) -> list[dict[str, Any]]:
    """The rows of a stage's table; none where it has no table yet."""
    held = record.stage(stage).table(table)
    return held.scan().filter(where).collect().to_dicts() if held.paths() else []


def _steps(record: Record, prompt: Prompt, sources: Sequence[str]) -> Iterator[JourneyStep]:
    """The stations, stage by stage."""
    if "prompts" in sources:
        yield from _data_steps(record, prompt)
        yield from _taught_steps(record, prompt)
    if "rl_prompts" in sources or ("prompts" in sources and "rl_prompts" not in record.sources):
        yield from _rollout_steps(record, prompt)
    suites = [source.partition("/")[2] for source in sources if source.startswith("suites/")]
    yield from _evaluation_steps(record, prompt, suites)


def _data_steps(record: Record, prompt: Prompt) -> Iterator[JourneyStep]:
    of_prompt = pl.col("prompt_id") == prompt.id
    ids = [row["id"] for row in _rows(record, "generate/main", of_prompt)]
    yield from _made_steps(record, prompt, MAIN, {})
    if record.config.select.by_shift:
        yield from _made_steps(record, prompt, BARE, {"policy": "not in sight"})
    for row in _rows(record, "select/main", of_prompt, SHIFTS):
        facts = {name: row[name] for name in ("with_policy", "without_policy", "shift")}
        yield JourneyStep("select", prompt.id, "", facts)
    for row in _rows(record, "select/main", pl.col("id").is_in(ids), DROPPED):
        facts = {"dropped": row["reason"], "detail": row["detail"]}
        yield JourneyStep("select", row["id"], "", facts)
    for row in _rows(record, "select/main", of_prompt):
        parts = f"{row['reasoning']}\n{row['answer']}"
        yield JourneyStep("select", row["id"], parts, {"score": row["score"]})
        yield from _packed(record, row["id"])


def _made_steps(
    record: Record, prompt: Prompt, variant: str, said: dict[str, Scalar]
) -> Iterator[JourneyStep]:
    """The prompt's completions of a variant, from generate to judge. said: of each of them."""
    completions = _rows(record, f"generate/{variant}", pl.col("prompt_id") == prompt.id)
    for row in completions:
        facts = {"completion": row["index"], "finish": row["finish"], "tokens": row["tokens"]}
        yield JourneyStep("generate", row["id"], row["text"], facts | said)
    ids = [row["id"] for row in completions]
    mine = pl.col("id").is_in(ids)
    for row in _rows(record, f"filter/{variant}", mine, DROPPED):
        yield JourneyStep("filter", row["id"], row["detail"], {"dropped": row["reason"]} | said)
    for row in _rows(record, f"filter/{variant}", mine):
        parts = f"reasoning: {row['reasoning']}\nanswer: {row['answer']}"
        yield JourneyStep("filter", row["id"], parts, {"status": OK} | said)
    yield from _judged_steps(record, f"judge/{variant}", ids, said)


def _judged_steps(
    record: Record, stage: str, ids: Sequence[str], said: dict[str, Scalar]
) -> Iterator[JourneyStep]:
    """The verdicts on these completions, and their scores."""
    of_mine, asked = pl.col("completion_id").is_in(ids), Counter[str]()
    for row in _rows(record, stage, of_mine):
        asked[row["completion_id"]] += 1
        facts = {name: row[name] for name in _VERDICT} | _beside(row, Verdict.COLUMNS)
        yield JourneyStep("judge", row["id"], row["reply"], facts | said)
    for row in _rows(record, stage, of_mine, SCORES):
        how: dict[str, Scalar] = {
            "aggregate": record.config.judge.aggregate,
            "valid": row["n_valid"],
        }
        if 0 < (times := asked[row["completion_id"]]) < record.config.judge.k:
            how["asked"] = f"{times} of {record.config.judge.k}"
        facts = how | {"score": row["score"]} | _beside(row, Score.COLUMNS)
        yield JourneyStep("judge", row["completion_id"], "", facts | said)


def _beside(row: dict[str, Any], columns: Container[str]) -> dict[str, Scalar]:
    """What the judge gave beside its score: sub-scores, and verdicts on single clauses."""
    more = {name: value for name, value in row.items() if name not in columns and value is not None}
    ids, verdicts = more.pop("clause_ids", []), more.pop("clause_verdicts", [])
    clauses = ", ".join(f"{name} {verdict}" for name, verdict in zip(ids, verdicts, strict=True))
    return more | ({"clauses": clauses} if clauses else {})


def _packed(record: Record, example: str) -> Iterator[JourneyStep]:
    held = record.stage("pack/main").table()
    if held.paths():
        bins = held.scan().with_row_index("bin").filter(pl.col("rows").list.contains(example))
        sizes = bins.select(
            "bin", rows=pl.col("rows").list.len(), tokens=pl.col("input_ids").list.len()
        )
        for facts in sizes.collect().to_dicts():
            yield JourneyStep("pack", example, "", facts)


def _taught_steps(record: Record, prompt: Prompt) -> Iterator[JourneyStep]:
    for arm in trained_by("distill"):
        rows = _rows(record, f"distill/{arm}", pl.col("prompt_id") == prompt.id)
        for row in rows[-_ROLLOUTS:]:
            facts = {name: row[name] for name in ("step", "tokens", "divergence", "flips")}
            yield JourneyStep("distill", row["id"], row["text"], {"arm": arm} | facts)


def _rollout_steps(record: Record, prompt: Prompt) -> Iterator[JourneyStep]:
    for arm in trained_by("rl"):
        rows = _rows(record, f"rl/{arm}", pl.col("prompt_id") == prompt.id)
        # Those whose groups were drawn again moved nothing, and stand behind the others of their step.
        kept = [row for row in rows if row["advantage"] is not None]
        for row in kept[-_ROLLOUTS:]:
            facts = {"arm": arm, "step": row["step"], "reward": row["reward"]}
            facts |= _complete(row) | {"rollouts": len(rows)}
            yield JourneyStep("rl", row["id"], row["text"], facts)


def _complete(row: dict[str, Any]) -> dict[str, Scalar]:
    """What a rollout has of the required sections; nothing where there are none, or no answer."""
    if row.get("completeness") is None:
        return {}
    parts = (f"{s['name']} {s['grade']:g} ({s['found']})" for s in row["sections"])
    return {"completeness": row["completeness"], "sections": "; ".join(parts)}


def _evaluation_steps(
    record: Record, prompt: Prompt, suites: Sequence[str]
) -> Iterator[JourneyStep]:
    mine = pl.col("prompt_id") == prompt.id
    for arm in record.config.evaluate.arms:
        grades: dict[str, dict[str, Scalar]] = {}
        for row in _rows(record, f"evaluate/{arm}", mine, GRADES):
            metric = f"{row['metric']} by {row['grader']}"
            grades.setdefault(row["id"], {})[metric] = row["grade"]
        for row in _rows(record, f"evaluate/{arm}", mine & pl.col("suite").is_in(suites)):
            facts = {"arm": arm, "suite": row["suite"], "status": row["status"]}
            facts |= grades.get(row["id"], {})
            yield JourneyStep("evaluate", row["id"], row["text"], facts)
            of_row = pl.col("completion_id") == row["id"]
            for each in _rows(record, f"evaluate/{arm}", of_row, VERDICTS):
                facts = {"arm": arm} | {name: each[name] for name in _VERDICT}
                yield JourneyStep("judge", each["id"], each["reply"], facts)
