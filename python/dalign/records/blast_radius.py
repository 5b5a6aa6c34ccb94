"""The blast radius of a change to the policy: what of a run depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign.records.citations import Citations
from dalign.records.record import Record, open_record, rows_in
from dalign.spec.hashes import shown_hashes
from dalign.spec.types import GENERAL, Spec
from dalign.store.parts import ROWS
from dalign.vocabulary import ARMS, BARE, lineage

# What is told of, in the order of the pipeline.
KINDS = ("prompts", "completions", "verdicts", "examples", "checkpoints", "evaluation_rows")
# The stages that make rows of a kind by the policy, and their columns that cite clauses.
_TEXTS = {
    "completions": (("generate/main",), ["text"]),
    "verdicts": (("judge/main", f"judge/{BARE}"), ["reply"]),
    "examples": (("select/main",), ["reasoning", "answer"]),
}


@dataclass(frozen=True)
class BlastRadius:
    """What of a run depends on the difference of two policies, by row id.

    categories: those of which a model is shown something else, `general` among them. clauses: those that are new,
    gone or changed. rows: ids by `KINDS`; a checkpoint's is `stage/variant`. cites: ids of the completions, verdicts
    and examples that name one of the clauses; a stage that has not run has no rows.
    """

    categories: tuple[str, ...]
    clauses: tuple[str, ...]
    rows: dict[str, list[str]]
    cites: dict[str, list[str]]


def blast_radius(run: Path, old: Spec, new: Spec) -> BlastRadius:
    """What of the run depends on the difference between two policies. Raises InputError if it is no run."""
    record = open_record(run)
    categories = _changed(shown_hashes(old), shown_hashes(new))
    before, after = ({c.id: c.sha256 for c in spec.clauses()} for spec in (old, new))
    clauses = _changed(before, after)
    prompts = record.project.prompts.table.scan().filter(pl.col("category").is_in(categories))
    rows: dict[str, list[str]] = {"prompts": prompts.select("id").collect()["id"].to_list()}
    for kind, (stages, _) in _TEXTS.items():
        found = (
            row
            for stage in _planned(record, stages)
            for row in rows_in(record, stage, ROWS, ["id", "category"])
        )
        rows[kind] = [row for row, category in found if category in categories]
    by = {
        "sft": bool(rows["examples"]),
        "distill": bool(rows["prompts"]),
        "rl": bool(set(categories) & record.project.rl_prompts.categories.keys()),
    }
    rows["checkpoints"] = _checkpoints(record, by)
    rows["evaluation_rows"] = _evaluated(record, categories, rows["checkpoints"])
    return BlastRadius(categories, clauses, rows, _cites(record, (old, new), set(clauses)))


def _planned(record: Record, stages: Sequence[str]) -> list[str]:
    """Those that the run's config still asks for."""
    return [s for s in stages if record.config.select.by_shift or not s.endswith(f"/{BARE}")]


def _changed(old: dict[str, str], new: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(n for n in old.keys() | new.keys() if old.get(n) != new.get(n)))


def _checkpoints(record: Record, by: Mapping[str, bool]) -> list[str]:
    """The trained checkpoints that depend on it, by their own training or by the checkpoint they start from.

    by: of each kind of training whether its examples, its teacher or the judge of its rewards does.
    """
    depends = [
        arm.checkpoint
        for arm in ARMS.values()
        if arm.checkpoint and any(by[str(each.trained_by)] for each in lineage(arm.name))
    ]
    return [name for name in depends if record.has(name)]


def _evaluated(record: Record, categories: Sequence[str], checkpoints: list[str]) -> list[str]:
    """Rows whose completion or verdict depends on it, `arm/suite/id` each."""
    judged = {suite.name for suite in record.config.evaluate.suites if suite.judge}
    found = []
    for name in record.config.evaluate.arms:
        arm = ARMS[name]
        # The category `general` is affected where a summary or a principle is: what any other sight can show.
        in_sight = arm.in_sight == "category" or (arm.in_sight != "none" and GENERAL in categories)
        rows = rows_in(record, f"evaluate/{name}", ROWS, ["suite", "id", "category"])
        found += [
            f"{name}/{suite}/{row}"
            for suite, row, category in rows
            if arm.checkpoint in checkpoints
            or (category in categories and (in_sight or suite in judged))
        ]
    return found


def _cites(record: Record, specs: tuple[Spec, Spec], changed: set[str]) -> dict[str, list[str]]:
    """The rows that name one of the changed clauses; an example does where its completion's reasoning or answer does."""
    citations = Citations(specs, record.project.patterns.values())
    return {
        kind: [
            row
            for stage in _planned(record, stages)
            for row, category, *said in rows_in(record, stage, ROWS, ["id", "category", *texts])
            if citations.named("\n".join(said), category) & changed
        ]
        for kind, (stages, texts) in _TEXTS.items()
    }
