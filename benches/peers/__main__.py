"""The proof of speed against other tools: python -m peers, from benches/ or with it on the path.

Exits 1 where an output differs from the peer's or a row could not be measured; a goal that is not reached
is in the table, and no error.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers import table
from peers.environments import ROOT, TARGET
from peers.protocol import OURS
from peers.registry import NAMES, chosen, comparison_named
from peers.runner import Settings, failed, report, rows_of


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m peers", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATH",
        help=f"one path or a beginning of some: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--peer", action="append", default=[], help="only peers whose name holds this"
    )
    parser.add_argument("--n", type=int, help="units of input, in place of each path's own")
    parser.add_argument("--seed", type=int, default=0, help="draws other inputs")
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        help="pairs of runs a peer; of what is soon over on either side twice as many and one",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads that either side may use")
    parser.add_argument("--minutes", type=float, default=28, help="no new path is begun after that")
    parser.add_argument(
        "--installed", action="store_true", help="only peers of the project's own environment"
    )
    parser.add_argument("--json", type=Path, default=ROOT / "target" / "bench-peers.json")
    parser.add_argument("--results", type=Path, help="also a page of Markdown")
    return parser.parse_args()


@contextmanager
def alone() -> Iterator[None]:
    """Waits for other measurements here, which would slow these down and take away their outputs."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with (TARGET / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("waiting for another measurement to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Runs what was asked for, and prints the table."""
    given = arguments()
    names = chosen(given.only)
    if not names:
        sys.exit(f"error: no path begins with {given.only}; there are {', '.join(NAMES)}")
    with alone():
        measure(given, names)


def measure(given: argparse.Namespace, names: list[str]) -> None:
    """Runs these paths, and exits."""
    settings = Settings(given.n, given.seed, given.runs, given.threads)
    begun, rows = time.monotonic(), []
    for name in names:
        comparison = comparison_named(name)
        peers = [
            peer
            for peer in comparison.peers
            if (peer.environment == OURS or not given.installed)
            and (not given.peer or any(part in peer.name for part in given.peer))
        ]
        if time.monotonic() - begun > given.minutes * 60:
            late = [
                failed(comparison, peer.name, peer.goal, settings, "no time was left")
                for peer in peers
            ]
            rows += late
            for row in late:
                report(row)
        else:
            rows += rows_of(comparison, settings, peers)
        table.write_json(rows, given.json)
    minutes = (time.monotonic() - begun) / 60
    print(table.as_text(rows))
    if given.results is not None:
        given.results.write_text(
            table.as_page(rows, table.command_line(), minutes), encoding="utf-8"
        )
    sys.exit(0 if all(row["equal"] for row in rows) else 1)


if __name__ == "__main__":
    main()
