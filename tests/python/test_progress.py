"""Progress: lines at the end of a stage and on a long one, bars in a terminal, and nothing for what is quick."""

from __future__ import annotations

import sys

import pytest
from dalign import progress
from dalign.pipeline import training


class Clock:
    """A time that a test sets."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ([1.0, 14.9], []),
        ([15.0], ["judge: 1/9 after 15 s; soon; 2 min left"]),
        # The time runs anew from the last line.
        (
            [15.0, 29.9, 30.0],
            ["judge: 1/9 after 15 s; soon; 2 min left", "judge: 3/9 after 30 s; soon; 60 s left"],
        ),
        # A tenth of what it has taken, and ten minutes at most.
        ([2000.0, 2222.0, 2223.0], ["judge: 1/9 after 2000 s; soon; 4.4 h left", "judge: 3/9 after 2223 s; soon; 74 min left"]),
        ([90000.0, 90599.0, 90600.0], ["judge: 1/9 after 90000 s; soon; 200.0 h left", "judge: 3/9 after 90600 s; soon; 50.3 h left"]),
    ],
)  # fmt: skip
def test_a_long_stage_has_a_line_every_fifteen_seconds_and_more_seldom_the_longer_it_takes(
    seconds: list[float], told: list[str], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = progress.Lines()
    lines.start("judge", 9)
    for done, after in enumerate(seconds, start=1):
        clock.now = 100.0 + after
        lines.advance("judge", done, "soon")
    assert capsys.readouterr().err.splitlines() == told


def test_what_was_done_before_tells_nothing_of_the_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = progress.Lines()
    lines.start("judge", 100)
    lines.skip("judge", 90)
    clock.now = 120.0
    lines.advance("judge", 92)
    assert capsys.readouterr().err == "judge: 92/100 after 20 s; 80 s left\n"
    clock.now = 140.0
    lines.advance("judge", 100)
    assert capsys.readouterr().err == "judge: 100/100 after 40 s\n"


@pytest.mark.parametrize(
    ("rows", "tokens", "seconds", "told"),
    [
        (0, 0, 9.0, ""),
        (5, 50, 0.1, ""),
        (30, 0, 10.0, "3 rows/s"),
        (5000.0, 1234567, 10.0, "500 rows/s, 123,457 tokens/s"),
        (0.5, 200, 10.0, "20 s a row, 20 tokens/s"),
        (0, 200, 10.0, "20 tokens/s"),
        (1, 0, 600.0, "10 min a row"),
        # A token of a row after its prompt was read.
        (0.02, 1, 77.0, "0.013 tokens/s"),
    ],
)
def test_a_pace_in_words(rows: float, tokens: int, seconds: float, told: str) -> None:
    assert progress.pace(rows, tokens, seconds) == told


def test_a_trainings_first_step_takes_time_too(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "time", clock)
    steps = training.Steps(progress.Lines(), "sft/sft", lambda loss: f"loss {loss}")
    clock.now = 130.0
    steps(1, 3, 0.5)
    assert capsys.readouterr().err == "sft/sft: 1/3 after 30 s; loss 0.5; 60 s left\n"
    for step in (2, 3):
        clock.now = 100.0 + 30 * step
        steps(step, 3, 0.25)
    assert capsys.readouterr().err.splitlines()[-1] == "sft/sft: done in 90.0 s; 3 steps, loss 0.25"


def test_a_stage_ends_with_its_time_and_two_stages_have_times_of_their_own(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = progress.Lines()
    lines.start("one", 1)
    clock.now = 102.0
    lines.start("two", 1)
    clock.now = 103.5
    lines.finish("one", "9 rows")
    lines.finish("two")
    assert capsys.readouterr().err == "one: done in 3.5 s; 9 rows\ntwo: done in 1.5 s\n"


def test_a_bar_comes_after_two_seconds_and_goes_with_its_stage(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = progress.Bars()
    bars.start("judge", 9)
    clock.now = 101.9
    bars.advance("judge", 1)
    assert not bars._tasks
    clock.now = 102.0
    bars.advance("judge", 2, "soon")
    [task] = bars._shown.tasks
    assert (task.description, task.completed, task.total, task.fields["note"]) == ("judge", 2, 9, "soon; 7 s left")  # fmt: skip
    bars.finish("judge")
    assert not bars._shown.tasks and "judge: done in 2.0 s" in capsys.readouterr().err


@pytest.mark.parametrize(("terminal", "kind"), [(True, progress.Bars), (False, progress.Lines)])
def test_bars_are_for_terminals(
    terminal: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert type(progress.for_terminal()) is kind


def test_progress_that_tells_nobody_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = progress.Progress()
    quiet.start("a", 1)
    quiet.advance("a", 1)
    quiet.finish("a")
    quiet.say("b")
    assert capsys.readouterr() == ("", "")
