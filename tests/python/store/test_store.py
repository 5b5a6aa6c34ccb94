"""A run on disk: whole files, journals that survive a cut line, manifests that know their inputs."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dalign.errors import InputError
from dalign.store.folder import Finished, StageFolder
from dalign.store.memory import Kept
from dalign.store.whole_files import digest, frame_digest, set_by


def folder(tmp_path: Path) -> StageFolder:
    return StageFolder(tmp_path, "generate", "main")


ROWS_OUT = pl.DataFrame({"id": ["a", "b"]})


def finish(stage: StageFolder, inputs: dict[str, int], *parts: pl.DataFrame) -> None:
    """Ends a stage that made these parts."""
    table = stage.table()
    table.clear()
    digests = [table.write(number, part) for number, part in enumerate(parts)]
    stage.finish(inputs, Finished({"rows_in": 2, "rows_out": 2}, digests))


def test_a_stage_is_done_with_the_inputs_that_it_finished_with_and_no_others(
    tmp_path: Path,
) -> None:
    stage = folder(tmp_path)
    stage.start({"seed": 1})
    assert not stage.is_done({"seed": 1})
    finish(stage, {"seed": 1}, ROWS_OUT)
    assert stage.is_done({"seed": 1})
    assert not stage.is_done({"seed": 2})
    assert stage.table().frame().equals(ROWS_OUT)
    assert stage.table("dropped").height() == 0


def test_a_journal_is_gone_on_with_for_equal_inputs_and_thrown_away_for_others(
    tmp_path: Path,
) -> None:
    stage = folder(tmp_path)
    stage.start({"seed": 1})
    stage.journal().append([{"id": "a"}])
    stage.start({"seed": 1})
    assert list(stage.journal().read()) == [{"id": "a"}]
    stage.start({"seed": 2})
    assert list(stage.journal().read()) == []


@pytest.mark.parametrize("tail", ['{"id": "c"', '{"id": \n', "\x00\x00"])
def test_a_line_that_a_kill_cut_is_forgotten(tail: str, tmp_path: Path) -> None:
    journal = folder(tmp_path).journal()
    journal.append([{"id": "a"}, {"id": "b"}])
    with journal.path.open("a") as file:
        file.write(tail)
    assert list(journal.read()) == [{"id": "a"}, {"id": "b"}]
    journal.append([{"id": "d"}])
    assert [row["id"] for row in journal.read()] == ["a", "b", "d"]


def test_the_output_hash_is_that_of_the_rows_and_not_of_their_file(tmp_path: Path) -> None:
    one, other = StageFolder(tmp_path, "s", "one"), StageFolder(tmp_path, "s", "other")
    finish(one, {}, ROWS_OUT)
    finish(other, {"x": 1}, pl.concat([ROWS_OUT[:1], ROWS_OUT[1:]], rechunk=False))
    assert one.output_sha256() == other.output_sha256()
    finish(other, {}, ROWS_OUT[:1])
    assert one.output_sha256() != other.output_sha256()


def test_rows_of_a_stage_that_has_not_run_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"generate/main has not run yet; run it first \(dalign generate"
    ):
        folder(tmp_path).made()


def test_a_broken_manifest_names_the_way_out(tmp_path: Path) -> None:
    stage = folder(tmp_path)
    stage.path.mkdir(parents=True)
    (stage.path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json: damaged or lost"):
        stage.manifest()


def test_files_appear_whole(tmp_path: Path) -> None:
    stage = folder(tmp_path)
    finish(stage, {}, ROWS_OUT)
    names = {path.name for path in stage.path.iterdir()}
    assert names == {"part-00000.parquet", "dropped-00000.parquet", "manifest.json"}


def test_digests_do_not_depend_on_the_order_of_keys_but_on_that_of_rows() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert frame_digest(ROWS_OUT) != frame_digest(ROWS_OUT.reverse())


def test_what_an_earlier_run_was_told_is_found_by_its_keys_in_many_files(tmp_path: Path) -> None:
    stage = folder(tmp_path)
    stage.start({"seed": 1})
    keys = [f"{number:032x}" for number in range(1, 7)]
    for chunk in range(3):
        rows = [Kept(f"r{n}", keys[n], f"t{n}", "stop", 1) for n in (2 * chunk, 2 * chunk + 1)]
        stage.memory("judge").keep(chunk, rows)
    # Equal starts are no equal keys; what never came is not remembered.
    alike, lost = keys[0][:15] + "f" * 17, "f" * 32
    stage.memory().append([Kept("late", lost, "", "timeout", 0)])
    stage.start({"seed": 2})
    found = stage.memory().recall([keys[4], keys[1], alike, lost])
    assert {k: (row.id, row.text) for k, row in found.items()} == {
        keys[1]: ("r1", "t1"),
        keys[4]: ("r4", "t4"),
    }


# As long as a name may be, no text, and neither.
@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "\udcff", "x"])
def test_what_is_set_by_keeps_its_content_however_long_its_name_is(
    name: str, tmp_path: Path
) -> None:
    places = []
    for text in ("a", "b"):
        (tmp_path / name).write_text(text)
        places.append(set_by(tmp_path / name))
    assert [place.read_text() for place in places] == ["a", "b"]
    assert all(place.name.encode() for place in places)
    assert not (tmp_path / name).exists()
