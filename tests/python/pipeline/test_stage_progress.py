"""Every stage that takes long says how far it is, up to its end, whatever was done before."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.models.ask import Ask
from dalign.models.engines.scripted import ScriptedEngine
from dalign.pipeline.project import bring_in
from dalign.progress import Going, Progress
from dalign.settings import load_config
from scripted_run import EVALUATED, SCRIPTED, go, prompt, reply, write_project


class Told(Progress):
    """What was told of each name: its total, and how much is done from time to time."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.done: dict[str, list[int]] = {}
        self.ended: list[str] = []

    def start(self, name: str, total: int, since: float | None = None) -> None:
        self.totals[name], self.done[name] = total, []

    def advance(self, name: str, done: int, note: str = "") -> None:
        self.done[name].append(done)

    def finish(self, name: str, note: str = "") -> None:
        self.ended.append(name)


def in_parts(tmp_path: Path) -> Path:
    """A project of 18 completions in parts of four rows, whose suite asks for the same answer again and again."""
    project = write_project(tmp_path / "project")
    config = project / "dalign.toml"
    config.write_text(config.read_text() + "[run]\npart_rows = 4\n")
    (project / "suite.jsonl").write_text("".join(prompt("tea", n) for n in range(9)))
    return project


def test_filter_and_select_tell_their_rows_chunk_by_chunk(tmp_path: Path) -> None:
    told = Told()
    go(in_parts(tmp_path), tmp_path / "run", *SCRIPTED, progress=told)
    assert told.totals["filter"] == 18
    assert told.done["filter"] == [4, 8, 12, 16, 18]
    # The well-formed ones are gone through twice.
    assert told.totals["select"] == 36 and len(told.done["select"]) > 5
    assert {"generate", "filter", "judge", "select"} <= set(told.ended)


def test_reading_the_users_files_is_told(tmp_path: Path) -> None:
    project, told = in_parts(tmp_path), Told()
    bring_in(load_config(project / "dalign.toml"), tmp_path / "inputs", None, told)
    assert told.totals["read prompts.jsonl"] == 9
    assert told.done["read prompts.jsonl"] == [4, 8, 9]
    # What was quick gets no line.
    assert told.ended == []


def test_every_bar_of_an_evaluation_comes_to_its_end(tmp_path: Path) -> None:
    project, told = in_parts(tmp_path), Told()
    go(project, tmp_path / "run", *SCRIPTED, *EVALUATED, progress=told)
    bars = [name for name in told.totals if name.startswith("evaluate/")]
    assert any(name.endswith("judge") for name in bars) and any(
        name.endswith("retrieval") for name in bars
    )
    # Equal answers are judged once, and chunks that were done before are not asked for.
    assert {name: told.done[name][-1] for name in bars} == {
        name: told.totals[name] for name in bars
    }


class KilledError(Exception):
    pass


def test_the_judges_bar_counts_chunks_that_were_done_before(tmp_path: Path) -> None:
    project, run, told = in_parts(tmp_path), tmp_path / "run", Told()
    left = iter(range(14))

    def killed(request):
        if next(left, None) is None:
            raise KilledError
        return reply(request)

    with pytest.raises(KilledError):
        go(project, run, "evaluate/none", answer=killed)
    assert len((run / "evaluate" / "none" / "chunks.jsonl").read_text().splitlines()) >= 1
    go(project, run, "evaluate/none", progress=told)
    [judge] = [name for name in told.totals if name.endswith("judge")]
    assert told.done[judge][0] == 4 and told.done[judge][-1] == told.totals[judge] == 9


def test_rows_that_are_gone_through_are_counted_to_the_total() -> None:
    told = Told()
    going = Going(told, "x", 5)
    assert list(going.over([[1, 2], [3]])) == [[1, 2], [3]]
    list(going.over([[1] * 7]))
    going.finish("done")
    assert told.done["x"] == [2, 3, 5] and told.ended == ["x"]


def test_an_ask_reaches_what_need_not_be_asked() -> None:
    told = Told()
    ask = Ask(ScriptedEngine({"": "x"}), progress=told, name="judge", total=10)
    ask.reach(4)
    ask.reach(4)
    ask.skip(2)
    assert told.done["judge"][-1] == 6
