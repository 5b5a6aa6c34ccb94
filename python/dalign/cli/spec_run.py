"""Prints what a run holds of a policy: the coverage of its clauses, and the blast radius of a change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from dalign.cli.terminal import Styled, tell, tell_json, tell_parts
from dalign.pipeline.blast_radius import BlastRadius, blast_radius
from dalign.pipeline.context import CONFIG
from dalign.pipeline.coverage import STATIONS, ClauseCoverage, Coverage, coverage
from dalign.spec.types import Spec

# Row ids that the text shows of each kind; JSON has them all.
IDS_SHOWN = 5
ID_CHARACTERS = 12
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
    tell(
        f"{len(found.rows)} clauses; {len(found.short)} are short: fewer than {found.needed} of their rows are left"
    )
    if found.short:
        tell(
            f"write prompts that exercise these (expected.clause), or have them written: dalign data synth more.jsonl --config {run / CONFIG} --missing {run}"
        )


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


@dataclass(frozen=True)
class RadiusOutput:
    """A blast radius, for people and for programs."""

    run: Path
    radius: BlastRadius

    def as_json(self) -> dict[str, object]:
        """Counts, and all ids."""
        found = self.radius
        return {
            "run": str(self.run),
            "categories": list(found.categories),
            "clauses": list(found.clauses),
            **{kind: _counted(ids) for kind, ids in found.rows.items()},
            "cites": {kind: _counted(ids) for kind, ids in found.cites.items()},
        }

    def as_text(self) -> list[str]:
        """Lines with counts, and the first ids of each kind."""
        found = self.radius
        lines = [
            f"what of {self.run} depends on it:",
            f"  categories: {', '.join(found.categories) or 'none'}",
        ]
        lines += [f"  {kind.replace('_', ' ')}: {_some(ids)}" for kind, ids in found.rows.items()]
        if found.clauses:
            lines.append("rows that cite a changed clause:")
            lines += [f"  {kind}: {_some(ids)}" for kind, ids in found.cites.items()]
        return lines


def blast_radius_of(run: Path, old: Spec, new: Spec) -> RadiusOutput:
    """What of a run depends on the difference of two policies, ready to be printed."""
    return RadiusOutput(run, blast_radius(run, old, new))


def print_blast_radius(run: Path, old: Spec, new: Spec, *, as_json: bool) -> None:
    """Prints what of a run depends on the difference of two policies."""
    found = blast_radius_of(run, old, new)
    if as_json:
        tell_json(found.as_json(), indent=1)
    else:
        tell("\n".join(found.as_text()))


def _counted(ids: list[str]) -> dict[str, object]:
    return {"count": len(ids), "ids": ids}


def _some(ids: list[str]) -> str:
    if not ids:
        return "0"
    more = ", …" if len(ids) > IDS_SHOWN else ""
    return f"{len(ids)} ({', '.join(map(_start_of, ids[:IDS_SHOWN]))}{more})"


def _start_of(row: str) -> str:
    """As much of an id as `dalign show` needs; a checkpoint's or evaluated row's keeps what stands before."""
    before, slash, last = row.rpartition("/")
    return f"{before}{slash}{last[:ID_CHARACTERS]}"
