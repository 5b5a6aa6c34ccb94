"""Progress on long work: a bar in a terminal, plain lines elsewhere, and nothing for what is quick."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from dalign.text import visible


class Progress(Protocol):
    """Where a stage says how far it is."""

    def start(self, name: str, total: int) -> None:
        """`name` begins and will take `total` steps."""
        ...

    def advance(self, name: str, done: int, note: str = "") -> None:
        """`name` has done that many steps in all."""
        ...

    def finish(self, name: str, note: str = "") -> None:
        """`name` has ended."""
        ...

    def say(self, text: str) -> None:
        """A sentence for the user."""
        ...


class Silent:
    """Says nothing."""

    def start(self, name: str, total: int) -> None:
        """Nothing."""

    def advance(self, name: str, done: int, note: str = "") -> None:
        """Nothing."""

    def finish(self, name: str, note: str = "") -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class Lines:
    """Plain lines on stderr: one when a stage ends, and one every `interval_s` of a long one."""

    def __init__(self, interval_s: float = 15.0) -> None:
        self.interval_s = interval_s
        self._totals: dict[str, tuple[int, float]] = {}
        self._last: dict[str, float] = {}

    def start(self, name: str, total: int) -> None:
        """Remembers when `name` began."""
        now = time.monotonic()
        self._totals[name] = (total, now)
        self._last[name] = now

    def advance(self, name: str, done: int, note: str = "") -> None:
        """A line, if the last one is long ago."""
        now = time.monotonic()
        if now - self._last.get(name, now) < self.interval_s:
            return
        self._last[name] = now
        total, began = self._totals[name]
        self.say(f"{name}: {done}/{total} after {now - began:.0f} s{'; ' + note if note else ''}")

    def finish(self, name: str, note: str = "") -> None:
        """The stage's last line."""
        _, began = self._totals.pop(name, (0, time.monotonic()))
        self.say(f"{name}: done in {time.monotonic() - began:.1f} s{'; ' + note if note else ''}")

    def say(self, text: str) -> None:
        """The sentence as a line."""
        sys.stderr.write(visible(text) + "\n")
        sys.stderr.flush()


class Bars:
    """Bars in a terminal, by rich; a stage's bar shows after two seconds."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True)
        self._progress = RichProgress(
            TextColumn("{task.description:<18}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, tuple[int, float]] = {}
        self._waiting: dict[str, tuple[int, float]] = {}

    def start(self, name: str, total: int) -> None:
        """Notes the stage; the bar waits."""
        self._waiting[name] = (total, time.monotonic())

    def advance(self, name: str, done: int, note: str = "") -> None:
        """Moves the bar, and shows it once the stage has taken two seconds."""
        if name in self._waiting:
            total, began = self._waiting[name]
            if time.monotonic() - began < 2.0:
                return
            del self._waiting[name]
            self._progress.start()
            self._tasks[name] = (
                self._progress.add_task(visible(name), total=total, note=""),
                began,
            )
        task, _ = self._tasks[name]
        self._progress.update(task, completed=done, note=visible(note))  # type: ignore[arg-type]

    def finish(self, name: str, note: str = "") -> None:
        """Takes the bar away and leaves a line."""
        began = time.monotonic()
        if name in self._tasks:
            task, began = self._tasks.pop(name)
            self._progress.remove_task(task)  # type: ignore[arg-type]
        elif name in self._waiting:
            _, began = self._waiting.pop(name)
        if not self._tasks:
            self._progress.stop()
        self.say(f"{name}: done in {time.monotonic() - began:.1f} s{'; ' + note if note else ''}")

    def say(self, text: str) -> None:
        """The sentence above the bars."""
        self._progress.console.print(visible(text), highlight=False, markup=False)


def for_terminal() -> Progress:
    """Bars where stderr is a terminal, lines elsewhere."""
    return Bars() if sys.stderr.isatty() else Lines()
