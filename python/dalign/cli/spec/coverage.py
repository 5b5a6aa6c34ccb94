"""Prints what a run holds of each clause of its policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from shlex import quote

import typer

from dalign.cli.terminal import Styled, tell, tell_json, tell_parts
from dalign.records.coverage import STATIONS, ClauseCoverage, Coverage, coverage
from dalign.store.damage import CONFIG

COUNTS = ("prompts", "completions_citing", "verdicts_invoking", *STATIONS)
HEADS = ("prompts", "cited", "invoked", "well formed", "judged", "selected", "packed")


def print_coverage(run: Path, least: int | None, *, as_json: bool, fail_short: bool) -> None:
    """Prints the coverage of each clause; with `fail_short`, exits with 1 if one has too few survivors."""
    found = coverage(run, least)
    if as_json:
        rows = [asdict(row) for row in found.rows]
        whole = {"run": str(run), "clauses": rows, "quota": found.needed}
        tell_json(whole, indent=1)
    else:
        _print_table(run, found)
    if fail_short and found.short:
        raise typer.Exit(1)


def _print_table(run: Path, found: Coverage) -> None:
    width = max([len("clause"), *(len(row.clause) for row in found.rows)])
    heads = "  ".join(head.rjust(_column(head)) for head in HEADS)
    tell(f"{'clause':<{width}}  {'ruling':<13}  {heads}", "bold")
    for row in found.rows:
        tell_parts(_line(row, width, found.needed))
    left = f"fewer than {found.needed} of their rows are left"
    tell(f"{len(found.rows)} clauses; {len(found.short)} are short: {left}")
    if found.short:
        command = f"dalign data synth more.jsonl --config {quote(str(run / CONFIG))} --missing {quote(str(run))}"
        told = "write prompts that exercise these (expected.clause), or have them written"
        tell(f"{told}: {command}")


def _column(head: str) -> int:
    return max(6, len(head))


def _line(row: ClauseCoverage, width: int, needed: int) -> Iterator[Styled]:
    """A clause's counts; those below what is needed are red."""
    yield f"{row.clause:<{width}}  ", "bold red" if row.short else ""
    yield f"{row.ruling:<13}", ""
    for head, name in zip(HEADS, COUNTS, strict=True):
        count = getattr(row, name)
        yield f"  {count:>{_column(head)}}", "red" if count < needed else ""
    if row.short:
        yield "  short", "bold red"
