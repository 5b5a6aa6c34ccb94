"""The `dalign` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; a user's error is one sentence on stderr and exit code 1."""
    from dalign.cli.app import app
    from dalign.cli.terminal import warn
    from dalign.errors import DalignError, from_system

    try:
        app()
    except DalignError as error:
        warn(f"error: {error}")
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        warn(f"error: {from_system(error)}")
        sys.exit(1)
    except Exception as error:
        # What a table lacks is found where its rows are reached, columns of another layout too.
        if type(error).__module__ != "polars.exceptions":
            raise
        reason = str(error).partition("\n")[0]
        warn(
            f"error: a table is damaged or has other columns than this dalign makes ({reason}); `dalign verify RUN` names what of a run is damaged, and `dalign run` redoes it"
        )
        sys.exit(1)
    except KeyboardInterrupt:
        warn("stopped; the same command goes on from here")
        sys.exit(130)
