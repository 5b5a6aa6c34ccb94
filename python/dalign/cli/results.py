"""Prints a run's results, as they are or by a key of the prompts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dalign.cli.terminal import tell_by, tell_json, tell_results
from dalign.records.record import open_record
from dalign.records.results import results_of
from dalign.records.slices import results_by


def print_results(run: Path, by: str | None, *, as_json: bool) -> None:
    """The table that a run ends with; by: one row more for each value of that key."""
    record = open_record(run)
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
