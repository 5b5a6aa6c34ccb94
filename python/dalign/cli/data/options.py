"""What several `dalign data` commands are asked for, what they work on, and how they tell what they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

if TYPE_CHECKING:
    from dalign.files.sift import Counts, FileJob

Many = list[str] | None
Limit = int | None
# What the core counts in, and more words in a row than any text repeats.
MOST, MOST_TOKENS, MOST_WORDS = 2**63 - 1, 2**32 - 1, 10**6

In = Annotated[
    Path,
    Argument(
        metavar="IN",
        readable=False,
        help="A file of rows, a folder or a pattern: .jsonl, .csv, .json, each also .gz or .zst, or .parquet; it is only read.",
    ),
]
Out = Annotated[
    Path,
    Argument(
        metavar="OUT", readable=False, help="The kept rows; the others go to OUT's name.dropped."
    ),
]
TextField = Annotated[str, Option("--text-field", help="The field with the text, or with turns.")]
Memory = Annotated[
    int, Option("--memory-mib", help="About how much memory batches and tables may take.")
]
Force = Annotated[bool, Option("--force", help="Overwrite OUT.")]
AsJson = Annotated[bool, Option("--json", help="Print the counts as JSON on stdout.")]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, so that the defaults of the others stand in the package alone."""
    return {name: value for name, value in options.items() if value is not None}


def job(
    name: str, source: Path, out: Path, memory_mib: int, *, force: bool, as_json: bool
) -> FileJob:
    """The pass over a file; silent where stdout is for a program."""
    from dalign import progress
    from dalign.files.sift import FileJob

    shown = progress.Progress() if as_json else progress.for_terminal()
    return FileJob(name, source, out, memory_mib, force, shown)


def tell(job: FileJob, counts: Counts, *, as_json: bool, **more: object) -> None:
    """Prints what was done: JSON on stdout, or a few lines on stderr."""
    from dalign.cli.terminal import tell_json, warn

    if as_json:
        files = {"in": str(job.source), "out": str(job.out), "dropped_rows": str(job.dropped)}
        tell_json(files | counts.as_json() | more)
        return
    for reason, rows in counts.dropped.items():
        warn(f"  dropped {rows}: {reason}")
    warn(f"wrote {job.out} and {job.dropped}")
