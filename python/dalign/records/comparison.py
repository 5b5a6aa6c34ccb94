"""Two runs side by side: what one has more of a metric than the other, on the same prompts and samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from dalign.errors import InputError
from dalign.evaluate.intervals import Draws, of_difference
from dalign.evaluate.metrics import Cell, cells, numbered, prompts_of
from dalign.evaluate.permutation import chance_of, holm, visible
from dalign.records.record import Record
from dalign.rows import GRADES
from dalign.vocabulary import BY_JUDGE, BY_TRUTH

# What a judge's grades depend on, of what an evaluation writes down of it, and how it is called.
_JUDGE = {"model": "the judge", "settings": "the judge's settings", "templates": "templates", "shown": "the policy"}  # fmt: skip


@dataclass(frozen=True)
class ComparedRow:
    """The difference of an arm of the second run to one of the first, with its 95 % interval.

    p: two-sided, by sign flips of prompts; p_holm: the same, where all rows are looked at together. visible: the difference that so
    many prompts show in four tests out of five; None where no two of them differ. n: samples that both have.
    """

    arm_a: str
    arm_b: str
    suite: str
    metric: str
    grader: str
    value_a: float
    value_b: float
    diff: float
    low: float
    high: float
    p: float
    p_holm: float
    visible: float | None
    prompts: int
    n: int


@dataclass(frozen=True)
class Comparison:
    """Rows, and sentences on what is not compared, and why."""

    rows: Sequence[ComparedRow]
    notes: Sequence[str]


def compare(a: Record, b: Record, arms: Sequence[tuple[str, str]]) -> Comparison:
    """What the second run has more than the first, metric by metric; by truth where both know it, else by a judge that is the same.

    arms: of the first run and of the second; none: each that both have evaluated. Raises InputError for an arm that has not
    been evaluated, and where there is nothing to compare.
    """
    pairs = list(arms) or [(arm, arm) for arm in _evaluated(a) if arm in _evaluated(b)]
    for record, names in ((a, [x for x, _ in pairs]), (b, [y for _, y in pairs])):
        _check_arms(record, names)
    same = _same_prompts(a, b)
    found, notes = list[ComparedRow](), list[str]()
    for pair in pairs:
        graded = [_grades(record, arm) for record, arm in zip((a, b), pair, strict=True)]
        both = [cell for cell in cells(graded[1]) if cell in cells(graded[0])]
        unlike = {cell: said for cell in both if (said := _other_grader(a, b, cell))}
        notes += [said for said in unlike.values() if said not in notes]
        common = [cell for cell in both if cell not in unlike]
        for cell in common:
            if cell.grader != BY_TRUTH and cell._replace(grader=BY_TRUTH) in common:
                continue
            draws = Draws(a.config.evaluate.resamples, a.config.run.seed)
            found += _row(pair, cell, graded, same[cell.suite], draws)
    if not found:
        said = f"{b.run.path}: nothing to compare with {a.run.path}: no arm of both has a metric of the same suite, by a grader that is the same, on the same prompts"
        raise InputError(said, kind="unfinished", path=b.run.path)
    together = holm([row.p for row in found])
    rows = [replace(row, p_holm=p) for row, p in zip(found, together, strict=True)]
    return Comparison(rows, [*notes, *_left_out(a, b, same)])


def _row(
    pair: tuple[str, str],
    cell: Cell,
    graded: Sequence[pl.LazyFrame],
    same: pl.DataFrame,
    draws: Draws,
) -> Iterator[ComparedRow]:
    left, right = (numbered(cell.of(grades)) for grades in graded)
    both = left.join(right, on=["prompt_id", "nth"], suffix="_b").sort("prompt_id", "nth")
    both = both.join(same, left_on="prompt_id", right_on="id", how="semi")
    if both.is_empty():
        return
    before, after, prompts = both["grade"], both["grade_b"], prompts_of(both)
    diff, low, high = of_difference(before, after, prompts, draws)
    p = chance_of(after - before, prompts, draws)
    means = (float(both["grade"].mean() or 0.0), float(both["grade_b"].mean() or 0.0))  # type: ignore[arg-type]
    yield ComparedRow(
        *pair, *cell, *means, diff, low, high, p, p,
        visible(after - before, prompts), prompts.n_unique(), both.height,
    )  # fmt: skip


def _evaluated(record: Record) -> list[str]:
    return [arm for arm in record.config.evaluate.arms if record.has(f"evaluate/{arm}")]


def _check_arms(record: Record, arms: Sequence[str]) -> None:
    there = _evaluated(record)
    for arm in arms:
        if arm not in there:
            known = ", ".join(there) or "none"
            said = (
                f"{record.run.path}: arm {arm!r} has not been evaluated here; these have: {known}"
            )
            raise InputError(said, kind="unknown_choice", value=arm)
    if not arms:
        said = f"{record.run.path}: no arm has been evaluated in both runs; name one of each with --arm A,B"
        raise InputError(said, kind="unfinished", path=record.run.path)


def _grades(record: Record, arm: str) -> pl.LazyFrame:
    return record.stage(f"evaluate/{arm}").table(GRADES).scan()


def _other_grader(a: Record, b: Record, cell: Cell) -> str:
    """Why a cell's grades of two runs say nothing of one another; empty where they do."""
    if cell.grader == BY_JUDGE:
        others = _other_judge(a, b)
        said = (
            f"{cell.suite}: {cell.metric} is graded by the judge, and {others}: it is not compared"
        )
        return said if others else ""
    one, other = (record.project.patterns_sha256.get(cell.suite) for record in (a, b))
    said = f"{cell.suite}: {cell.metric} is graded by patterns, and they are not the same in both runs: it is not compared"
    return said if one != other else ""


def _other_judge(a: Record, b: Record) -> str:
    """In what the judges of two runs differ; empty where they do not."""
    one, other = a.used.get("judge") or {}, b.used.get("judge") or {}
    different = [words for key, words in _JUDGE.items() if one.get(key) != other.get(key)]
    listed = " and ".join(filter(None, [", ".join(different[:-1]), *different[-1:]]))
    return f"{listed} {'is' if len(different) == 1 and listed != 'templates' else 'are'} not the same in both runs" if different else ""  # fmt: skip


def _same_prompts(a: Record, b: Record) -> dict[str, pl.DataFrame]:
    """The ids of the prompts that both runs have, word for word and with the same labels, by suite."""
    both = [record.project.suites for record in (a, b)]
    asked = ["id", "messages", "category", "ruling", "clause", "expected_answer"]
    tables = {
        name: [of[name].table.frame(asked) for of in both] for name in both[0].keys() & both[1]
    }
    return {
        name: one.join(other, on=asked, nulls_equal=True).select("id")
        for name, (one, other) in tables.items()
    }


def _left_out(a: Record, b: Record, same: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    """Sentences on prompts that one of the runs alone has, or with other words or labels."""
    for name, suite in a.project.suites.items():
        if name not in b.project.suites:
            yield f"suite {name} is in {a.run.path} alone"
            continue
        ids = [set(s.table.scan().select("id").collect()["id"]) for s in (suite, b.project.suites[name])]  # fmt: skip
        if alone := len(ids[0] ^ ids[1]):
            yield f"suite {name}: {alone} prompts are in one of the two runs alone, and are not compared"
        if changed := len(ids[0] & ids[1]) - same[name].height:
            yield f"suite {name}: {changed} prompts have other words or labels in the second run under the same id, and are not compared"
    for name in b.project.suites.keys() - a.project.suites.keys():
        yield f"suite {name} is in {b.run.path} alone"
