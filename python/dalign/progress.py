"""Progress on long work: a bar in a terminal, plain lines elsewhere, and nothing for what is quick."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

from dalign.text import one_line

if TYPE_CHECKING:
    from rich.progress import TaskID

_Rows = TypeVar("_Rows", bound=Sized)
# Between two lines on the same work, and before it gets a bar. What takes long has a line for each tenth of its time.
LINE_EVERY_S, LONGEST_SILENCE_S, BAR_AFTER_S = 15.0, 600.0, 2.0
# Less tells no rate: of a part of a row, the reading of its prompt may be most.
_LEAST_S, _LEAST_ROWS = 0.5, 0.5


def pace(rows: float, tokens: int, seconds: float) -> str:
    """Rows and tokens a second; empty where nothing tells. rows: made in these seconds; a part of one counts."""
    if seconds < _LEAST_S:
        return ""
    told = []
    if rows >= _LEAST_ROWS:
        a_second, each = f"{rows / seconds:,.3g} rows/s", f"{duration(seconds / rows)} a row"
        told.append(a_second if rows >= seconds else each)
    if tokens:
        rate = tokens / seconds
        told.append(f"{rate:,.0f} tokens/s" if rate >= 10 else f"{rate:.2g} tokens/s")
    return ", ".join(told)


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Progress:
    """Where a stage says how far it is. This one tells nobody; those that do extend it."""

    def start(self, name: str, total: int, since: float | None = None) -> None:
        """`name` begins and will take `total` steps. since: when, by `time.monotonic`, if not now."""

    def skip(self, name: str, steps: int) -> None:
        """So many of the steps of `name` were done before, and take no time now."""

    def advance(self, name: str, done: int, note: str = "") -> None:
        """`name` has done that many steps in all."""

    def finish(self, name: str, note: str = "") -> None:
        """`name` has ended."""

    def say(self, text: str) -> None:
        """A sentence for the user."""


class Watched(Progress):
    """Another's progress, with a look at each step: what it raises ends the work."""

    def __init__(self, progress: Progress, look: Callable[[], None]) -> None:
        self._progress, self._look = progress, look

    def start(self, name: str, total: int, since: float | None = None) -> None:
        """The other's."""
        self._progress.start(name, total, since)

    def skip(self, name: str, steps: int) -> None:
        """The other's."""
        self._progress.skip(name, steps)

    def advance(self, name: str, done: int, note: str = "") -> None:
        """The other's, and the look."""
        self._progress.advance(name, done, note)
        self._look()

    def finish(self, name: str, note: str = "") -> None:
        """The other's."""
        self._progress.finish(name, note)

    def say(self, text: str) -> None:
        """The other's."""
        self._progress.say(text)


class Going:
    """Goes through a stage's rows, once or several times, and shows how far that is."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        """total: rows of all times together, or about so many."""
        self._progress, self._name, self._total = progress, name, max(1, total)
        self._done, self._began = 0, time.monotonic()
        progress.start(name, self._total)

    def over(self, chunks: Iterable[_Rows]) -> Iterator[_Rows]:
        """The chunks, each counted when the next one is asked for."""
        for chunk in chunks:
            yield chunk
            self.step(len(chunk))

    def step(self, rows: int) -> None:
        """So many more are done."""
        self._done = min(self._total, self._done + rows)
        self._progress.advance(self._name, self._done)

    def finish(self, note: str) -> None:
        """Ends it with a word on the result; without one, of what was quick nothing is said."""
        if note or time.monotonic() - self._began >= BAR_AFTER_S:
            self._progress.finish(self._name, note)


class Lines(Progress):
    """Plain lines on stderr: one when a stage ends, and now and then one of a long one, more seldom the longer it takes."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._skipped: dict[str, int] = {}
        self._began: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def start(self, name: str, total: int, since: float | None = None) -> None:
        """Remembers when `name` began."""
        self._totals[name], self._skipped[name] = total, 0
        self._began[name] = self._told[name] = time.monotonic() if since is None else since

    def skip(self, name: str, steps: int) -> None:
        """Remembers what took no time."""
        self._skipped[name] = self._skipped.get(name, 0) + steps

    def advance(self, name: str, done: int, note: str = "") -> None:
        """A line, if the last one is long ago."""
        now = time.monotonic()
        tenth = (now - self._began.get(name, now)) / 10
        if now - self._told.get(name, now) >= min(max(LINE_EVERY_S, tenth), LONGEST_SILENCE_S):
            self._told[name] = now
            after = f"{done}/{self._totals[name]} after {now - self._began[name]:.0f} s"
            self.say("; ".join(filter(None, (f"{name}: {after}", self._noted(name, done, note)))))

    def _noted(self, name: str, done: int, note: str) -> str:
        """The note with the time that what is left will take, as what was done took."""
        took, left = time.monotonic() - self._began[name], self._totals[name] - done
        done -= self._skipped.get(name, 0)
        is_told = done > 0 and left > 0 and took >= _LEAST_S
        told = f"{duration(left * took / done)} left" if is_told else ""
        return "; ".join(filter(None, (note, told)))

    def finish(self, name: str, note: str = "") -> None:
        """The stage's last line."""
        now = time.monotonic()
        took = now - self._began.pop(name, now)
        self.say(f"{name}: done in {took:.1f} s{'; ' + note if note else ''}")

    def say(self, text: str) -> None:
        """The sentence as a line."""
        sys.stderr.write(one_line(text) + "\n")
        sys.stderr.flush()


class Bars(Lines):
    """Bars in a terminal, by rich, for what takes more than two seconds; a line at the end of each stage."""

    def __init__(self) -> None:
        from rich import progress as rich
        from rich.console import Console

        super().__init__()
        self._shown = rich.Progress(
            rich.TextColumn("{task.description:<18}", markup=False),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def advance(self, name: str, done: int, note: str = "") -> None:
        """Moves the bar, and shows it once the stage has taken two seconds."""
        if name not in self._tasks:
            if time.monotonic() - self._began[name] < BAR_AFTER_S:
                return
            self._shown.start()
            total = self._totals[name]
            self._tasks[name] = self._shown.add_task(one_line(name), total=total, note="")
        noted = one_line(self._noted(name, done, note))
        self._shown.update(self._tasks[name], completed=done, note=noted)

    def finish(self, name: str, note: str = "") -> None:
        """Takes the bar away and leaves a line."""
        if name in self._tasks:
            self._shown.remove_task(self._tasks.pop(name))
        if not self._tasks:
            self._shown.stop()
        super().finish(name, note)

    def say(self, text: str) -> None:
        """The sentence above the bars."""
        self._shown.console.print(one_line(text), highlight=False, markup=False)


def for_terminal() -> Progress:
    """Bars where stderr is a terminal, lines elsewhere."""
    return Bars() if sys.stderr.isatty() else Lines()
