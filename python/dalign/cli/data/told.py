"""What a `dalign data` command works on, and how it tells what it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dalign import progress
from dalign.cli.terminal import tell_json, warn
from dalign.files.sift import Counts, FileJob, dropped_beside


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, so that the defaults of the others stand in the package alone."""
    return {name: value for name, value in options.items() if value is not None}


def job(
    name: str, source: Path, out: Path, memory_mib: int, *, force: bool, as_json: bool
) -> FileJob:
    """The pass over a file; silent where stdout is for a program."""
    shown = progress.Progress() if as_json else progress.for_terminal()
    return FileJob(name, source, out, memory_mib, force, shown)


def tell(job: FileJob, counts: Counts, *, as_json: bool, **more: object) -> None:
    """Prints what was done: JSON on stdout, or a few lines on stderr."""
    dropped = dropped_beside(job.source, job.out)
    if as_json:
        files = {"in": str(job.source), "out": str(job.out), "dropped_rows": str(dropped)}
        tell_json(files | counts.as_json() | more)
        return
    for reason, rows in counts.dropped.items():
        warn(f"  dropped {rows}: {reason}")
    warn(f"wrote {job.out} and {dropped}")
