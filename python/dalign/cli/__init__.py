"""The `dalign` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; what the user or the world has done wrong is one sentence on stderr and exit code 1."""
    from dalign.cli.interrupt import CODE, Interrupts

    interrupts = Interrupts()
    try:
        _run()
    except BaseException:
        # What broke because it was stopped is no news.
        if not interrupts.came:
            raise
    if interrupts.came:
        sys.exit(CODE)


def _run() -> None:
    from dalign.cli.app import app
    from dalign.cli.terminal import warn
    from dalign.errors import outside

    try:
        app()
    except BaseException as error:
        refused = outside(error)
        if refused is None:
            raise
        warn(f"error: {refused}")
        sys.exit(1)
