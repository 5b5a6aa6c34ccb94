"""Prints a run's results, as they are, by a key of the prompts, or put right by a card of the judge."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dalign.cli.terminal import tell, tell_by, tell_json, tell_results, tell_table, warn
from dalign.data.transformed import ORIGIN
from dalign.figures import CardContent, Results
from dalign.records.corrected import card_at, card_in, doubts
from dalign.records.record import Record, open_record
from dalign.records.results import results_of
from dalign.records.slices import results_by
from dalign.records.worst import worst_of
from dalign.text import one_line, short


def print_results(run: Path, by: str | None, card: Path | None, *, as_json: bool) -> None:
    """The table that a run ends with, with what the run's own card of its judge says.

    by: one row more for each value of that key, instead; card: what the judge measured, put right by this card, instead.
    """
    record = open_record(run)
    if by is not None:
        _print_by(record, by, as_json=as_json)
        return
    results = results_of(record)
    found = card_in(record, results.rows) if card is None else card_at(record, results.rows, card)
    for said in doubts(record, found):
        warn(f"warning: {said}")
    if card is not None and found is not None:
        _print_corrected(found, as_json=as_json)
    else:
        _print_results(results, found, as_json=as_json)


def print_worst(run: Path, share: float, key: str | None, *, as_json: bool) -> None:
    """Each arm where it is worst. share: of each prompt's variants; key: by which they are told, the usual one for None."""
    record = open_record(run)
    rows = worst_of(record, share, key or ORIGIN)
    if as_json:
        judge = record.config.judge_of_record.path
        tell_json([asdict(row) | {"judge": judge} for row in rows], indent=1)
        return
    heads = ("suite", "metric", "grader", "arm", f"worst {share:g} of variants", "all of their completions", "prompts", "variants", "missing")  # fmt: skip
    told = [
        (row.suite, row.metric, row.grader, row.arm, _interval(row.mean), _interval(row.strict), str(row.prompts),
         str(row.most) if row.least == row.most else f"{row.least} to {row.most}", str(row.missing))
        for row in sorted(rows, key=lambda row: (row.suite, row.metric, row.grader))
    ]  # fmt: skip
    tell_table(heads, told, right=("prompts", "variants", "missing"))
    for suite in record.project.suites.keys() - {row.suite for row in rows}:
        tell(f"suite {suite}: no prompt of it is a variant of another by {key or ORIGIN}")
    tell(f"judge: {record.config.judge_of_record.path}")


def _interval(found: tuple[float, float, float]) -> str:
    return "{:.3f}  [{:.3f}, {:.3f}]".format(*found)


def _print_by(record: Record, by: str, *, as_json: bool) -> None:
    rows = results_by(record, by)
    if as_json:
        tell_json([asdict(row) for row in rows], indent=1)
    else:
        tell_by(by, [(row.value, row.metric) for row in rows])


def _print_results(results: Results, card: CardContent | None, *, as_json: bool) -> None:
    if as_json:
        own = {} if card is None else {"judge_card": _as_json(card)}
        tell_json(results.as_json() | own, indent=1)
        return
    tell_results(results)
    if card is not None:
        errors = card.errors
        tell(
            f"by the run's own card of its judge (evaluate.judge_card): of {short(one_line(card.judge), 200)}, on {errors.agreement.n} labelled answers; sensitivity {errors.sensitivity}; specificity {errors.specificity}"
        )
        _print_corrected(card, as_json=False)


def _as_json(card: CardContent) -> dict[str, object]:
    of = {
        name: asdict(getattr(card.errors, name))
        for name in ("agreement", "sensitivity", "specificity")
    }
    told = {"judge": card.judge, "judge_k": card.judge_k, **of, "kappa": card.errors.kappa}
    return told | {"corrected": [row._asdict() for row in card.rows]}


def _print_corrected(card: CardContent, *, as_json: bool) -> None:
    rows = card.rows
    if as_json:
        tell_json([row._asdict() for row in rows], indent=1)
        return
    if not rows:
        tell("the judge graded nothing that its card tells of")
    for row in rows:
        told = "unknown: by its card, the judge tells passing and failing answers no better than by chance"
        if row.value is not None:
            told = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        if row.by_labels is not None:
            value, low, high = row.by_labels
            told += f"; by the labels {value:.3f} [{low:.3f}, {high:.3f}]"
        tell(
            f"{row.arm:<8} {row.suite:<12} {row.metric:<16} measured {row.measured:.3f} on {row.prompts} prompts, stands for {told}"
        )
