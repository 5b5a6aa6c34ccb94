"""Prints a run's results, as they are or by a key of the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dalign.cli.terminal import tell, tell_by, tell_json, tell_results
from dalign.records.corrected import Corrected, corrected_rows
from dalign.records.record import open_record
from dalign.records.results import results_of
from dalign.records.slices import results_by


def print_results(run: Path, by: str | None, card: Path | None, *, as_json: bool) -> None:
    """The table that a run ends with; by: one row more for each value of that key; card: what the judge measured, put right."""
    record = open_record(run)
    if card is not None:
        _print_corrected(corrected_rows(record, card), as_json=as_json)
        return
    if by is not None:
        rows = results_by(record, by)
        if as_json:
            tell_json([asdict(row) for row in rows], indent=1)
        else:
            tell_by(by, [(row.value, row.metric) for row in rows])
        return
    results = results_of(record)
    if as_json:
        tell_json(results.as_json(), indent=1)
    else:
        tell_results(results.rows, results.stages, results.elapsed_s, results.forms)


def _print_corrected(rows: Sequence[Corrected], *, as_json: bool) -> None:
    if as_json:
        tell_json([row._asdict() for row in rows], indent=1)
        return
    if not rows:
        tell("the judge graded nothing that its card tells of")
    for row in rows:
        told = "unknown: by its card, the judge tells passing and failing answers no better than by chance"
        if row.value is not None:
            told = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        tell(
            f"{row.arm:<8} {row.suite:<12} {row.metric:<16} measured {row.measured:.3f} on {row.prompts} prompts, stands for {told}"
        )
