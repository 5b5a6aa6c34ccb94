"""Tells whether a run's folder is as the run wrote it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from dalign import progress
from dalign.cli.terminal import tell, tell_json
from dalign.records.verify import Verified, verify
from dalign.text import one_line

_MIB = 1 << 20
# Of the files that the run knows nothing of, as many are named.
_NAMED = 20


def verify_run(run: Path, *, as_json: bool) -> None:
    """Prints each damaged file of a run, and what mends it; exits with 1 if there is one."""
    found = verify(run, progress.Progress() if as_json else progress.for_terminal())
    if as_json:
        tell_json({"run": str(run), **asdict(found)}, indent=1)
    else:
        _print(run, found)
    if found.damage:
        raise typer.Exit(1)


def _print(run: Path, found: Verified) -> None:
    for each in found.damage:
        tell(one_line(f"{run / each.path}: damaged or lost ({each.what}); {each.way_out}"))
    if found.unfinished:
        tell(f"not finished, which is no damage: {', '.join(found.unfinished)}")
    for name in found.unknown[:_NAMED]:
        tell(one_line(f"{run / name}: not of the run, and read by nothing"))
    if len(found.unknown) > _NAMED:
        tell(f"… and {len(found.unknown) - _NAMED} more files that are not of the run")
    held = f"{found.files} files, {found.bytes / _MIB:.1f} MiB"
    bad = len(found.damage)
    tell(f"{held}: {f'{bad} damaged or lost' if bad else 'all as the run wrote them'}")
