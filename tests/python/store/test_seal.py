"""Seals: a file is what its mark says, a sealed object what was written, a journal's line what was appended."""

from __future__ import annotations

import os
import time
from pathlib import Path

import damages
import polars as pl
import pytest
from dalign.errors import InputError
from dalign.store.memory import EARLIER, Earlier, Journal, Kept, Memory, set_aside
from dalign.store.parts import Table
from dalign.store.seal import (
    Seal,
    fault_of,
    files_below,
    mark_of,
    marks_in,
    marks_of,
    read_sealed,
    write_sealed,
)

VALUE = {"a": {"10": 1.5, "9": None}, "b": ["é", "\u2028", 1e300], "c": {}}


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a//x", "./x", "a/..", "a\0"])
def test_a_seal_names_nothing_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"sealed\.json: .*no file below the folder"):
        marks_in(tmp_path / "sealed.json", {"files": {name: {"bytes": 0, "sha256": ""}}})


@pytest.mark.parametrize("mark", ["x", None, {}, {"bytes": 1}, {"bytes": "1", "sha256": ""}, {"bytes": True, "sha256": ""}])  # fmt: skip
def test_a_mark_has_a_size_and_a_hash(tmp_path: Path, mark: object) -> None:
    with pytest.raises(InputError, match=r"no mark of 'a' in it"):
        marks_in(tmp_path / "sealed.json", {"files": {"a": mark}})  # type: ignore[dict-item]


def flips(content: bytes) -> list[bytes]:
    """The content with each of its bits the other way round."""
    return [
        content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
        for at in range(len(content))
        for bit in range(8)
    ]


def test_what_is_sealed_reads_back_and_no_flipped_bit_cut_or_added_byte_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sealed.json"
    write_sealed(path, VALUE)
    assert read_sealed(path) == VALUE
    content = path.read_bytes()
    cuts = [content[:length] for length in range(len(content))]
    for damaged in (*flips(content), *cuts, content + b"\n", content + b" ", b" " + content):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged or lost"):
            read_sealed(path)


def test_a_mapping_by_numbers_seals_as_it_reads_back(tmp_path: Path) -> None:
    write_sealed(tmp_path / "x.json", {"scores": {10: 1, 9: 2}})
    assert read_sealed(tmp_path / "x.json") == {"scores": {"10": 1, "9": 2}}


@pytest.mark.parametrize("size", [0, 1, 4096])  # empty, one byte, a page
def test_a_file_is_lost_cut_longer_or_changed(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = b"x" * size
    path.write_bytes(content)
    mark = mark_of(path)
    assert fault_of(path, mark) == ""
    path.write_bytes(content + b"x")
    assert fault_of(path, mark) == f"longer: {size + 1} bytes, not {size}"
    if size:
        path.write_bytes(content[1:])
        assert fault_of(path, mark) == f"cut: {size - 1} bytes, not {size}"
        path.write_bytes(content[1:] + b"y")
        assert fault_of(path, mark) == "changed"
    path.unlink()
    assert fault_of(path, mark) == "lost"
    path.mkdir()
    assert fault_of(path, mark) == "lost"


def test_a_change_that_keeps_size_and_time_of_a_fresh_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    mark, times = mark_of(path), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(b"b")
    os.utime(path, ns=times)
    assert fault_of(path, mark) == "changed"


def test_a_file_that_nobody_wrote_to_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    time.sleep(0.05)
    mark = mark_of(path)
    monkeypatch.setattr("dalign.store.seal.file_digest", None)
    assert mark_of(path) == mark


def test_a_table_reads_the_parts_that_its_seal_names_and_no_other(tmp_path: Path) -> None:
    table = Table(tmp_path)
    for number in range(2):
        table.write(number, pl.DataFrame({"x": [number]}))
    sealed = Table(tmp_path, seal=Seal(tmp_path, marks_of(tmp_path, tmp_path.iterdir())))
    table.write(2, pl.DataFrame({"x": [2]}))
    assert sealed.frame()["x"].to_list() == [0, 1]
    assert sealed.checked() == [table.path(0), table.path(1)]
    # The same rows in other bytes are another file.
    pl.DataFrame({"x": [1]}).write_parquet(table.path(1), compression="uncompressed")
    for read in (sealed.frame, sealed.scan, sealed.height, sealed.checked, lambda: [*sealed.chunks(1)]):  # fmt: skip
        with pytest.raises(InputError, match=r"part-00001\.parquet: damaged or lost"):
            read()


@pytest.mark.parametrize("at", ["final/x", "final/a/x"])
@pytest.mark.parametrize("kind", damages.STRANGERS)
def test_what_is_no_file_is_named_where_it_was_added(kind: str, at: str, tmp_path: Path) -> None:
    folder = tmp_path / "stage"
    (folder / "final" / "a").mkdir(parents=True)
    (folder / "final" / "a" / "weights").write_bytes(b"w")
    seal = Seal(folder, marks_of(folder, files_below(folder)))
    damages.add_stranger(folder / at, kind, tmp_path)
    assert list(seal.faults()) == [(folder / at, "added")]
    assert marks_of(folder, seal.below(folder)) == seal.marks


@pytest.mark.skipif(os.getuid() == 0, reason="root may look anywhere")
def test_a_closed_folder_is_named_where_it_was_added(tmp_path: Path) -> None:
    (tmp_path / "final" / "x").mkdir(parents=True)
    (tmp_path / "final" / "weights").write_bytes(b"w")
    seal = Seal(tmp_path, marks_of(tmp_path, files_below(tmp_path)))
    (tmp_path / "final" / "x").chmod(0)
    found = list(seal.faults())
    (tmp_path / "final" / "x").chmod(0o700)
    assert found == [(tmp_path / "final" / "x", "added")]


def test_no_flipped_bit_of_a_journal_reads_as_a_row(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    rows = [{"step": 1, "loss": 0.5, "text": "é"}, {"step": 2, "loss": 0.25, "text": ""}]
    journal.append(rows)
    content = journal.path.read_bytes()
    for damaged in flips(content):
        journal.path.write_bytes(damaged)
        assert all(row in rows for row in journal.read())


@pytest.mark.parametrize("line", ["5", "[]", "{}", '{"step": 1}', '{"step": 1, "crc32": null}'])
def test_a_line_that_was_never_appended_is_cut_off(line: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append([{"step": 1}])
    content = journal.path.read_bytes()
    journal.path.write_bytes(content + line.encode() + b"\n" + content)
    assert list(journal.read()) == [{"step": 1}]
    assert journal.path.read_bytes() == content


def test_replies_that_are_damaged_while_they_lie_aside_are_asked_again(tmp_path: Path) -> None:
    keys = [letter * 32 for letter in "ab"]
    for number, key in enumerate(keys):
        Memory(tmp_path).keep(number, [Kept("id", key, "text", "stop", 1)])
    set_aside(tmp_path)
    first, _ = sorted((tmp_path / EARLIER).iterdir())
    assert Earlier(tmp_path / EARLIER).find(keys).keys() == set(keys)
    for damaged in (first.read_bytes()[:-1], b"", flips(first.read_bytes())[40]):
        first.write_bytes(damaged)
        assert Earlier(tmp_path / EARLIER).find(keys).keys() == {keys[1]}
