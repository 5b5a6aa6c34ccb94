"""Servers that dalign starts: each ends with dalign, however that ends, and those that share a GPU run in turn."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dalign.errors import InputError, from_system
from dalign.models import watch

# How long a server may take to end before its watcher makes it.
_END_S = watch.GRACE_S + 5.0
# Of a log, what may stand in a sentence.
_TAIL_BYTES = 1 << 14
# Shares are sums of what people write: .3 + .6 + .1 is more than 1 by a hair.
_HAIR = 1e-6


class Program:
    """A program with a log, in a process group of its own."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], log: Path, handed: Sequence[int] = ()
    ) -> None:
        """Starts it. log: is added to. handed: descriptors that it gets under the same numbers. Raises InputError where it cannot be."""
        reading, self._writing = os.pipe()
        try:
            with _opened(log) as file:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", watch.__file__, str(reading), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=dict(env),
                    pass_fds=(reading, *handed),
                    start_new_session=True,
                )
        except OSError as error:
            os.close(self._writing)
            raise from_system(error, Path(command[0])) from error
        finally:
            os.close(reading)
        self._ended = threading.Lock()
        self._is_ended = False

    @property
    def pid(self) -> int:
        """Of its watcher, which is its group's too."""
        return self._process.pid

    def code(self) -> int | None:
        """What it has ended with; None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Ends it with all that it has started, by the id of its own group; waits until that is so."""
        with self._ended:
            if not self._is_ended:
                self._is_ended = True
                os.close(self._writing)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _opened(log: Path) -> IO[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def tail_of(log: Path, lines: int) -> str:
    """A log's last lines that say anything, one after the other."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    said = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return "\n".join(said[-lines:])


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass(eq=False)
class Seat:
    """What a server takes of this machine: so many GPUs, and of each a share of its memory. None on the CPU.

    wanted: the GPUs by the user's choice; empty: whichever have room. program: while it runs; gpus: then those it has.
    """

    gpus_needed: int
    share: float
    wanted: tuple[str, ...] = ()
    program: Program | None = None
    gpus: tuple[str, ...] = ()

    def end(self) -> None:
        """Ends its program, if it runs."""
        program, self.program = self.program, None
        if program is not None:
            program.end()


@dataclass
class Servers:
    """The servers that one dalign has started. gpus: those of this machine."""

    gpus: tuple[str, ...]
    _seated: list[Seat] = field(default_factory=list)

    def make_room(self, seat: Seat) -> None:
        """Gives a seat its GPUs; ends servers in whose place it comes, those that have run longest first.

        Raises InputError where this machine has fewer.
        """
        self._seated = [each for each in self._seated if each.program is not None]
        known = seat.wanted or self.gpus
        if seat.gpus_needed > len(known):
            have = ", ".join(known) or "none"
            said = f"vllm.tensor_parallel = {seat.gpus_needed}: the GPUs here are {have}; lower it, or name more in vllm.devices"
            raise InputError(said, kind="out_of_range", key="vllm.tensor_parallel")
        while len(chosen := self._with_room(seat, known)) < seat.gpus_needed:
            oldest = next(each for each in self._seated if {*each.gpus} & {*known})
            self._seated.remove(oldest)
            oldest.end()
        seat.gpus = tuple(chosen[: seat.gpus_needed])
        self._seated.append(seat)

    def close(self) -> None:
        """Ends all."""
        for seat in self._seated:
            seat.end()
        self._seated = []

    def _with_room(self, seat: Seat, known: Sequence[str]) -> list[str]:
        taken = dict.fromkeys(known, 0.0)
        for each in self._seated:
            for gpu in taken.keys() & each.gpus:
                taken[gpu] += each.share
        return [gpu for gpu in known if taken[gpu] + seat.share <= 1 + _HAIR]
