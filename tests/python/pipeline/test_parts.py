"""Parts: whatever their size, a run comes out the same; a run that is gone on with in other parts starts its stage anew."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dalign.models.engines.scripted import ScriptedEngine
from dalign.pipeline.plan import make_plan
from dalign.pipeline.runner import run_plan
from dalign.pipeline.stage import beside_prompts
from dalign.store.parts import PartWriter, Table
from scripted_run import (
    EVALUATED,
    SCRIPTED,
    KilledError,
    go,
    opened,
    prompt,
    stops_after,
    write_project,
)

STAGES = (*SCRIPTED, *EVALUATED)
TABLES = ("part", "dropped", "scores", "grades", "verdicts")


def in_parts(project: Path, rows: int) -> None:
    config = project / "dalign.toml"
    text = config.read_text().split("\n[run]")[0]
    config.write_text(f"{text}\n[run]\npart_rows = {rows}\n")


def tables(run: Path) -> dict[tuple[str, str], pl.DataFrame]:
    return {
        (stage, name): Table(run / stage, name).frame()
        for stage in STAGES
        for name in TABLES
        if Table(run / stage, name).paths()
    }


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 18, 19])
def test_the_size_of_parts_changes_no_row(rows: int, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    go(project, tmp_path / "whole", *STAGES)
    in_parts(project, rows)
    go(project, tmp_path / "parts", *STAGES)
    whole, parts = tables(tmp_path / "whole"), tables(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, frame in whole.items():
        assert frame.equals(parts[name]), name
    # 18 completions, two a prompt: a part holds whole prompts.
    sizes = [
        pl.read_parquet(path).height for path in Table(tmp_path / "parts/generate/main").paths()
    ]
    assert set(sizes[:-1]) <= {max(1, rows // 2) * 2} and sum(sizes) == 18


@pytest.mark.parametrize("again", [4, 10])
def test_a_killed_stage_goes_on_in_its_parts_or_anew_in_others(again: int, tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    in_parts(project, 4)
    killed = opened(project, run, ScriptedEngine(stops_after(9), batch_size=3, fingerprint="one"))
    with pytest.raises(KilledError):
        run_plan(killed, make_plan(killed.project.config)[:1])
    # Two parts of four rows are made, in batches of three and one; of the third part no batch is whole.
    assert len(Table(run / "generate/main").paths()) == 2
    in_parts(project, again)
    second = go(project, run, *STAGES)
    # 18 completions, of which two parts of four are there; 36 verdicts; two arms of 6 questions each.
    assert len(second.scripted.requests) == 18 - 8 + 36 + 12
    go(project, tmp_path / "fresh", *STAGES)
    for name, frame in tables(tmp_path / "fresh").items():
        assert frame.equals(tables(run)[name]), name


def test_suites_in_another_order_are_not_taken_for_the_same_parts(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    (project / "other.jsonl").write_text("".join(prompt("tea", n) for n in range(3)))
    config = project / "dalign.toml"
    first, other = ('[[evaluate.suites]]\nname = "test"\npath = "suite.jsonl"\n', '[[evaluate.suites]]\nname = "other"\npath = "other.jsonl"\n')  # fmt: skip
    text = config.read_text().replace(first, "")
    config.write_text(text + first + other)
    killed = opened(project, run, ScriptedEngine(stops_after(4), batch_size=3, fingerprint="one"))
    with pytest.raises(KilledError):
        run_plan(killed, [s for s in make_plan(killed.project.config) if s.name == "evaluate/none"])
    config.write_text(text + other + first)
    go(project, run, "evaluate/none")
    go(project, tmp_path / "fresh", "evaluate/none")
    for name in ("part", "grades", "verdicts"):
        table = Table(run / "evaluate/none", name).frame()
        assert table.equals(Table(tmp_path / "fresh/evaluate/none", name).frame()), name


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6])
def test_a_table_is_cut_into_parts_and_read_in_chunks_of_any_size(
    rows: int, tmp_path: Path
) -> None:
    frame = pl.DataFrame({"n": range(5)})
    writer = PartWriter(Table(tmp_path), rows)
    for piece in (frame[:1], frame[1:1], frame[1:4], frame[4:]):
        writer.add(piece)
    writer.end(frame[:0])
    assert [pl.read_parquet(p).height for p in Table(tmp_path).paths()] == [
        min(rows, 5 - start) for start in range(0, 5, rows)
    ]
    for size in (1, 2, 3, 4, 5, 9):
        chunks = list(Table(tmp_path).chunks(size))
        assert pl.concat(chunks).equals(frame)
        assert {chunk.height for chunk in chunks[:-1]} <= {size}


def test_a_table_without_a_row_has_a_part(tmp_path: Path) -> None:
    writer = PartWriter(Table(tmp_path), 3)
    writer.end(pl.DataFrame(schema={"n": pl.Int64}))
    assert Table(tmp_path).frame().schema == {"n": pl.Int64} and Table(tmp_path).height() == 0


def test_rows_meet_their_prompts_though_some_have_none_and_some_many() -> None:
    prompts = pl.DataFrame(
        {"id": list("abcdef"), "category": ["x"] * 6, "messages": list("ABCDEF")}
    )
    rows = pl.DataFrame({"id": list("123456"), "prompt_id": list("abbbef")})
    for size in (1, 2, 3, 6):
        cut = lambda frame, n: (frame[i : i + n] for i in range(0, frame.height, n))  # noqa: E731
        met = pl.concat(list(beside_prompts(cut(rows, size), cut(prompts, 7 - size))))
        assert met["messages"].to_list() == list("ABBBEF")
        assert met["id"].to_list() == list("123456")
