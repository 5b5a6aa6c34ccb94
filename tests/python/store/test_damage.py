"""What is damaged or lost in a run's folder: one sentence with the file and a way out, and nothing is taken for whole."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest
from dalign.cli import main
from dalign.errors import InputError
from dalign.pipeline.rollout_log import AnswerJudge, RolloutLog, RolloutRow
from dalign.store.folder import Finished, Made, StageFolder
from dalign.store.memory import Kept
from dalign.store.parts import Table
from dalign.train.checkpoints import take_up

COLUMNS = {"part": {"id": pl.String}, "grades": {"grade": pl.Float64}}


def made(number: int, name: str) -> Made:
    grades = pl.DataFrame({"grade": [float(number)]})
    return Made({"part": pl.DataFrame({"id": [name]}), "grades": grades}, {"rows_out": 1})


def work(stage: StageFolder, calls: list[int]) -> tuple[dict[str, int], list[str]]:
    def one(number: int, name: str) -> Made:
        calls.append(number)
        return made(number, name)

    totals, digests = stage.by_chunks(["a", "b"], one, COLUMNS, lambda _, counts: None)
    return dict(totals), digests


def finished(tmp_path: Path) -> StageFolder:
    stage = StageFolder(tmp_path, "evaluate", "none")
    stage.start({})
    totals, digests = work(stage, [])
    stage.finish({}, Finished(totals, digests))
    stage.record_cost({"wall_s": 1.0})
    return stage


def refused(path: Path) -> pytest.RaisesExc[InputError]:
    return pytest.RaisesExc(
        InputError,
        match=r"damaged or lost \(.*\); make it again",
        check=lambda error: error.kind == "damaged_file" and error.path == path,
    )


def test_a_damaged_part_is_named_however_it_is_read(tmp_path: Path) -> None:
    table = Table(tmp_path)
    for number in range(2):
        table.write(number, pl.DataFrame({"id": ["a"], "text": ["b"]}))
    whole = table.path(1).read_bytes()
    for bad in (b"", b"hi", whole[:100]):
        table.path(1).write_bytes(bad)
        for read in (table.scan, table.frame, table.height, lambda: list(table.chunks(9))):
            with pytest.raises(InputError, match="damaged or lost") as raised:
                read()
            assert raised.value.path == table.path(1)


def test_a_part_with_other_columns_is_named(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.write(0, pl.DataFrame({"x": [1]}))
    with refused(table.path(0)):
        table.frame(["id"])
    with refused(table.path(0)):
        list(table.chunks(1, ["id"]))


def test_a_table_without_its_parts_is_lost(tmp_path: Path) -> None:
    table = Table(tmp_path)
    for read in (table.scan, table.frame):
        with refused(table.path(0)):
            read()


@pytest.mark.parametrize("text", ["{}", "[]", "5", "null", "no", '{"inputs_sha256": 1}', "\xff"])
def test_a_manifest_of_another_shape_is_refused(text: str, tmp_path: Path) -> None:
    stage = finished(tmp_path)
    (stage.path / "manifest.json").write_text(text, "latin-1")
    with refused(stage.path / "manifest.json"):
        stage.is_done({})


@pytest.mark.parametrize("name", ["inputs.json", "cost.json"])
def test_other_records_of_another_shape_are_faults_that_a_new_start_mends(
    name: str, tmp_path: Path
) -> None:
    stage = finished(tmp_path)
    (stage.path / name).write_text("[]")
    assert [fault.path for fault in stage.faults()] == [stage.path / name]
    stage.start({})
    assert not stage.faults()


@pytest.mark.parametrize("name", ["part-00001.parquet", "grades-00000.parquet"])
def test_a_finished_stage_that_lost_a_part_is_not_read(name: str, tmp_path: Path) -> None:
    stage = finished(tmp_path)
    (stage.path / name).unlink()
    with refused(stage.path / name):
        stage.table(name.partition("-")[0]).frame()


@pytest.mark.parametrize("name", ["part-00001.parquet", "grades-00001.parquet"])
def test_a_chunk_whose_part_is_lost_is_not_done(name: str, tmp_path: Path) -> None:
    stage = StageFolder(tmp_path, "evaluate", "none")
    stage.start({})
    first = work(stage, [])
    (stage.path / name).unlink()
    calls: list[int] = []
    assert work(stage, calls) == first
    assert calls == [1]
    assert (stage.path / name).is_file()


@pytest.mark.parametrize("line", ["5", "[]", '"chunk"', "{}", '{"chunk": 0}', '{"chunk": []}'])
def test_a_line_of_another_shape_says_of_no_chunk_that_it_is_done(
    line: str, tmp_path: Path
) -> None:
    stage = StageFolder(tmp_path, "evaluate", "none")
    stage.start({})
    (stage.path / "chunks.jsonl").write_text(line + "\n")
    calls: list[int] = []
    work(stage, calls)
    assert calls == [0, 1]


def kept_line(**values: object) -> str:
    """A journalled reply with some other values."""
    return json.dumps({"id": "b", "key": "1" * 64, "text": "", "finish": "stop", "tokens": 1} | values)  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "5", "[]", '"key"', "{}", '{"key": "x"}', '{"key": 1}', "[" * 200_000,
        *[kept_line(tokens=tokens) for tokens in (-5, 2**40, float("inf"), "3", None, True, 1.5)],
        kept_line(text="half \ud800"), kept_line(id="\ud800"), kept_line(finish="gone"),
    ],
    ids=lambda line: line[:90],
)  # fmt: skip
def test_a_line_that_is_no_reply_is_asked_again(line: str, tmp_path: Path) -> None:
    memory = StageFolder(tmp_path, "generate").memory()
    reply = Kept("a", "0" * 64, "text", "stop", 3)
    memory.append([reply])
    with (tmp_path / "generate/main/journal.jsonl").open("a") as file:
        file.write(line + "\n")
    assert list(memory.in_work()) == [reply]
    StageFolder(tmp_path, "generate").start({"seed": 1})
    assert memory.recall([reply.key]) == {reply.key: reply}


def test_the_command_names_what_the_system_refuses_and_what_a_table_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = StageFolder(tmp_path, "generate")
    stage.table().write(0, pl.DataFrame({"x": [1]}))
    (tmp_path / "file").write_text(json.dumps({}))
    for act, said in (
        (
            lambda: (tmp_path / "file" / "run").mkdir(parents=True),
            f"{tmp_path}/file/run: Not a dir",
        ),
        (lambda: stage.table().scan().select("id").collect(), "has other columns"),
    ):
        monkeypatch.setattr("dalign.cli.app.app", act)
        with pytest.raises(SystemExit, match="1"):
            main()
        assert said in capsys.readouterr().err


def test_a_training_that_had_ended_keeps_its_rollouts(tmp_path: Path) -> None:
    stage = StageFolder(tmp_path, "rl", "rl")
    stage.start({})
    rows = pl.DataFrame({name: [None] for name in RolloutRow.COLUMNS}, schema=RolloutRow.COLUMNS)
    stage.table().write(0, rows)
    log = RolloutLog(stage, cast(AnswerJudge, SimpleNamespace(part_names=())), None, {})
    assert log.rows().equals(rows)
    assert log.rows_written == 1


def test_the_way_out_of_a_damaged_job_works(tmp_path: Path) -> None:
    stage = finished(tmp_path)
    (stage.path / "job.json").write_text("hi")
    with pytest.raises(InputError, match=r"job\.json: .*; delete it, and the training"):
        take_up(stage.path, {"seed": 1})
    (stage.path / "job.json").unlink()
    assert take_up(stage.path, {"seed": 1}) is None


def test_the_command_says_in_one_sentence_what_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("sys.argv", ["dalign", "init", f"{tmp_path}/file/project"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path}/file/project") and said.count("\n") == 1
