"""A run on disk: whole files, journals that survive a cut line, manifests that know their inputs."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dalign.errors import InputError
from dalign.store import DROPPED, ROWS, StageFolder, digest, frame_digest


def folder(tmp_path: Path) -> StageFolder:
    return StageFolder(tmp_path, "generate", "main")


ROWS_OUT = pl.DataFrame({"id": ["a", "b"]})


def test_a_stage_is_done_with_the_inputs_that_it_finished_with_and_no_others(
    tmp_path: Path,
) -> None:
    stage = folder(tmp_path)
    stage.start({"seed": 1})
    assert not stage.is_done({"seed": 1})
    stage.finish({"seed": 1}, rows=ROWS_OUT, counts={"rows_in": 2, "rows_out": 2})
    assert stage.is_done({"seed": 1})
    assert not stage.is_done({"seed": 2})
    assert stage.rows().equals(ROWS_OUT) and stage.dropped().is_empty()


def test_a_journal_is_gone_on_with_for_equal_inputs_and_thrown_away_for_others(
    tmp_path: Path,
) -> None:
    stage = folder(tmp_path)
    stage.start({"seed": 1})
    stage.journal().append([{"id": "a"}])
    stage.start({"seed": 1})
    assert stage.journal().read() == [{"id": "a"}]
    stage.start({"seed": 2})
    assert stage.journal().read() == []


@pytest.mark.parametrize("tail", ['{"id": "c"', '{"id": \n', "\x00\x00"])
def test_a_line_that_a_kill_cut_is_forgotten(tail: str, tmp_path: Path) -> None:
    journal = folder(tmp_path).journal()
    journal.append([{"id": "a"}, {"id": "b"}])
    with journal.path.open("a") as file:
        file.write(tail)
    assert journal.read() == [{"id": "a"}, {"id": "b"}]
    journal.append([{"id": "d"}])
    assert [row["id"] for row in journal.read()] == ["a", "b", "d"]


def test_the_output_hash_is_that_of_the_rows_and_not_of_their_file(tmp_path: Path) -> None:
    one, other = StageFolder(tmp_path, "s", "one"), StageFolder(tmp_path, "s", "other")
    one.finish({}, rows=ROWS_OUT)
    other.finish({"x": 1}, rows=pl.concat([ROWS_OUT[:1], ROWS_OUT[1:]], rechunk=False))
    assert one.output_sha256() == other.output_sha256()
    other.finish({}, rows=ROWS_OUT[:1])
    assert one.output_sha256() != other.output_sha256()


def test_rows_of_a_stage_that_has_not_run_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"generate/main has not run yet; run it first \(dalign generate"
    ):
        folder(tmp_path).rows()


def test_a_broken_manifest_names_the_way_out(tmp_path: Path) -> None:
    stage = folder(tmp_path)
    stage.path.mkdir(parents=True)
    (stage.path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="delete the folder"):
        stage.manifest()


def test_files_appear_whole(tmp_path: Path) -> None:
    stage = folder(tmp_path)
    stage.finish({}, rows=ROWS_OUT)
    assert {path.name for path in stage.path.iterdir()} == {ROWS, DROPPED, "manifest.json"}


def test_digests_do_not_depend_on_the_order_of_keys_but_on_that_of_rows() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert frame_digest(ROWS_OUT) != frame_digest(ROWS_OUT.reverse())
