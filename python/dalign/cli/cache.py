"""What a cache of replies holds, and making it smaller."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from dalign.cli.options import AsJson
from dalign.cli.terminal import tell, tell_json
from dalign.errors import InputError

MIB = 1 << 20
cache = typer.Typer(
    name="cache",
    help="Count and prune the replies that runs share (run.cache).",
    epilog="Example: dalign cache stats ~/.cache/dalign-replies",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Folder = Annotated[
    Path, Argument(metavar="FOLDER", help="The folder that run.cache names.", readable=False)
]


@cache.command(epilog="Example: dalign cache stats ~/.cache/dalign-replies")
def stats(folder: Folder, json: AsJson = False) -> None:
    """Print how many replies a cache holds, and how much room they take."""
    from dalign.store.cache import Cache

    found = Cache(folder, make=False).stats()
    if json:
        tell_json(asdict(found), indent=1)
        return
    tell(
        f"{found.replies:,} replies of {found.tokens:,} tokens in {found.bytes / MIB:,.1f} MiB; the oldest was last used {found.oldest_days} days ago"
    )


@cache.command(
    epilog="Example: dalign cache prune ~/.cache/dalign-replies --unused-days 90 --most-mib 2000"
)
def prune(
    folder: Folder,
    unused_days: Annotated[
        int | None,
        Option("--unused-days", min=0, help="Remove what no run has used for so many days."),
    ] = None,
    most_mib: Annotated[
        int | None,
        Option(
            "--most-mib",
            min=0,
            help="Then what has not been used for longest, until the rest takes so much room.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Remove replies that are no longer used; a run that needs one asks again."""
    from dalign.store.cache import Cache

    if unused_days is None and most_mib is None:
        said = "nothing says what is to go; give --unused-days, --most-mib or both"
        raise InputError(said, kind="missing_key")
    opened = Cache(folder, make=False)
    removed = opened.prune(
        unused_days=unused_days, most_bytes=None if most_mib is None else most_mib * MIB
    )
    left = opened.stats()
    if json:
        tell_json({"removed": removed, **asdict(left)}, indent=1)
        return
    tell(f"{removed:,} replies removed; {left.replies:,} are left, in {left.bytes / MIB:,.1f} MiB")
