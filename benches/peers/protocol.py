"""What a compared path is made of. Imports nothing but the standard library: every environment loads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

# The environment of the project itself; the others are named by their lock.
OURS = "dalign"


class Work(NamedTuple):
    """One side, loaded and ready: what is timed, and what writes its result down afterwards."""

    run: Callable[[], Any]
    save: Callable[[Any], None]


# (folder of inputs, folder for outputs, seed of this run) -> Work
Side = Callable[[Path, Path, int], Work]


class Agreement(NamedTuple):
    """Whether two outputs say the same, and in words what was compared."""

    equal: bool
    note: str
    # Further columns of the result, such as a recall.
    measured: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Peer:
    """Another tool on the same path."""

    name: str
    # The distribution whose version is reported; empty for Python itself.
    package: str
    environment: str
    goal: float
    side: Side
    # At most so many units: its time is then scaled to the whole, in proportion.
    limit: int | None = None
    # How many of its runs keep their output.
    saved: int = 1


@dataclass(frozen=True)
class Target:
    """A speed to reach that is nobody's: so many million units a CPU second."""

    goal: float
    n: int


@dataclass(frozen=True)
class Threads:
    """A speed-up to reach: so many threads in so much less elapsed time than one."""

    count: int
    goal: float


@dataclass(frozen=True)
class Comparison:
    """One path: how its inputs are made, dalign's side, the peers, and when outputs agree."""

    path: str
    n: int
    unit: str
    write_inputs: Callable[[Path, int, int], None]
    dalign: Side
    peers: tuple[Peer, ...]
    # (inputs, dalign's outputs, the peer's outputs in the order of its runs) -> Agreement
    agree: Callable[[Path, Path, list[Path]], Agreement]
    target: Target | None = None
    threads: Threads | None = None
    # The most that dalign's process may hold, in MiB, by the folder of inputs.
    peak_goal_mib: Callable[[Path], float] | None = None
    # What its side imports, where the goal is meant without the interpreter and these.
    modules: tuple[str, ...] = ()

    @property
    def sides(self) -> dict[str, Side]:
        """Every side by its name."""
        return {"dalign": self.dalign} | {peer.name: peer.side for peer in self.peers}


def read_json_lines(path: Path, key: str) -> list[Any]:
    """One field of every line of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)[key] for line in lines]
