"""Options that commands of several groups take."""

from __future__ import annotations

from typing import Annotated

from typer import Option

Sets = Annotated[
    list[str] | None,
    Option("--set", metavar="A.B=C", help="A setting over the config's; may be given again."),
]
AsJson = Annotated[bool, Option("--json", help="Print the result as JSON on stdout.")]
Redo = Annotated[
    bool, Option("--redo", help="Accept a changed config: what it touches runs again.")
]
DryRun = Annotated[bool, Option("--dry-run", help="Check all input, print the plan, and stop.")]
AllowMissing = Annotated[
    bool, Option("--allow-missing", help="Exit with 0 though evaluate.max_missing is exceeded.")
]
