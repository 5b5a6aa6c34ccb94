"""Rows in every form that files have them in: the same rows, the same places, and one sentence for what is broken."""

from __future__ import annotations

import csv
import gzip
import io
import json
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from dalign import _core
from dalign.errors import InputError
from dalign.files.batch import Decision
from dalign.files.feeds import rows_files
from dalign.files.sift import FileJob, look_through, open_rows
from dalign.parsing import MOST_ROW_BYTES
from dalign.progress import Progress

ROWS = [
    {"id": "a", "text": "two\nlines, and a comma"},
    {"id": "b", "text": 'a "quote", ünïcode \u2028 and \x0b more'},
    {"id": "c", "text": ""},
    {"id": "d", "text": "x" * 3_000_000},  # longer than what is read at once
    {"id": "e", "text": "last"},
]


def packed(data: bytes) -> bytes:
    """The same bytes whenever it is called: they are part of the names of tests."""
    return gzip.compress(data, mtime=0)


def jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def zstd(data: bytes) -> bytes:
    """Two frames and one to be passed over, as parallel packers write them."""
    if shutil.which("zstd") is None:
        pa = pytest.importorskip("pyarrow")
        return b"".join(pa.compress(part, "zstd", asbytes=True) for part in (data[:7], data[7:]))
    pack = ["zstd", "-q", "-c"]
    halves = (data[: len(data) // 2], data[len(data) // 2 :])
    first, second = (subprocess.run(pack, input=h, capture_output=True, check=True).stdout for h in halves)  # fmt: skip
    return first + b"\x53\x2a\x4d\x18\x03\x00\x00\x00abc" + second


def table(rows: list[dict[str, str]], sign: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=sign)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


FORMS: dict[str, Callable[[], bytes]] = {
    "rows.jsonl": lambda: jsonl(ROWS),
    "bom.ndjson": lambda: b"\xef\xbb\xbf" + jsonl(ROWS).rstrip(b"\n"),
    "crlf.jsonl": lambda: jsonl(ROWS).replace(b"\n", b"\r\n"),
    "rows.jsonl.gz": lambda: packed(jsonl(ROWS)),
    "two.jsonl.gz": lambda: packed(jsonl(ROWS[:2])) + packed(jsonl(ROWS[2:])),
    "rows.gz": lambda: packed(jsonl(ROWS)),
    "unnamed.jsonl": lambda: packed(jsonl(ROWS)),
    "rows.jsonl.zst": lambda: zstd(jsonl(ROWS)),
    "rows.csv.zst": lambda: zstd(table(ROWS)),
    "rows.csv": lambda: table(ROWS),
    "bom.csv": lambda: b"\xef\xbb\xbf" + table(ROWS),
    "semicolon.csv": lambda: table(ROWS, ";"),
    "rows.tsv": lambda: table(ROWS, "\t"),
    "CAPITALS.TSV": lambda: table(ROWS, "\t"),
    "spreadsheet.csv": lambda: b"\xef\xbb\xbfsep=;\r\n" + table(ROWS, ";"),
    "rows.csv.gz": lambda: packed(table(ROWS)),
    "told.csv": lambda: b"# version=1.0, made=today\n# by=us\n" + table(ROWS),
    "lines.json": lambda: jsonl(ROWS),
    "array.json": lambda: json.dumps(ROWS).encode(),
    "pretty.json": lambda: b"\xef\xbb\xbf \n" + json.dumps(ROWS, indent=2).encode() + b"\n\n",
    "array.json.gz": lambda: packed(json.dumps(ROWS, separators=(",", ":")).encode()),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    (path := tmp_path / name).write_bytes(FORMS[name]())
    source, ids, texts = open_rows(path, 64), [], []
    for batch, _ in source.batches(["id", "text"], whole=True):
        ids += batch.texts("id").to_list()
        texts += batch.texts("text").to_list()
    assert (ids, texts) == ([r["id"] for r in ROWS], [r["text"] for r in ROWS])


@pytest.mark.parametrize("name", FORMS)
def test_kept_rows_are_written_as_lines(name: str, tmp_path: Path) -> None:
    (path := tmp_path / name).write_bytes(FORMS[name]())
    job = FileJob("keep", path, tmp_path / "out.jsonl")
    counts = job.sift(job.open(), ["text"], lambda batch: Decision.keep_all(batch.rows))
    assert counts.kept == len(ROWS)
    lines = job.out.read_text("utf-8").split("\n")
    assert [json.loads(line) for line in lines if line.strip()] == ROWS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quoted.csv", b'id,text,"a; b; c; d"\na,hi,x\n'),
        ("comma.TSV", b"id\ttext\ta, b, c, d\na\thi\tx\n"),
        ("comma.tsv.gz", packed(b"id\ttext\ta, b, c, d\na\thi\tx\n")),
        ("told.csv", b"sep=\t\nid\ttext\ta, b, c, d\na\thi\tx\n"),
    ],
)
def test_what_stands_within_a_name_of_the_head_separates_nothing(
    name: str, text: bytes, tmp_path: Path
) -> None:
    (path := tmp_path / name).write_bytes(text)
    assert texts_in(path) == ["hi"]


def texts_in(path: Path) -> list[str]:
    batches = look_through(open_rows(path, 64), ["id", "text"], [], Progress(), "")
    return [text for batch in batches for text in batch.texts("text")]


def place_of_bad(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        texts_in(path)
    return str(caught.value).removeprefix(str(path))


# The third row lacks its text.
SHORT = [{"id": "a", "text": "x\ny"}, {"id": "b", "text": "z"}, {"id": "c"}]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.jsonl", b'{"id": "a", "text": "x"}\n\n{"id": "c"}\n', ":3: the field"),
        ("a.jsonl.gz", packed(b'{"id": "a", "text": "x"}\n\n{"id": "c"}\n'), ":3: the field"),
        # A quoted cell of two lines: what comes after it is counted by lines all the same.
        ("a.csv", b'id,text\na,"x\ny"\nb,z\nc\n', ":5: has 1 cells, and the head 2"),
        ("b.csv", b'id,text\na,"x\ny"\nb,z,w\n', ":4: has 3 cells, and the head 2"),
        ("c.csv", b'id,text\na,"x\n\xff"\n', ":3: not UTF-8 (b'\\xff'); save the file as UTF-8"),
        ("d.csv", b'id,text\na,x\nb,"never closed\n', ":3: not CSV (unexpected end of data)"),
        ("e.csv", b"id,text,id\na,x,b\n", ":1: column 'id' stands twice"),
        ("f.csv", b"\xff\xfei\x00d\x00", ":1: not UTF-8"),
        ("g.csv", b"id,text\n", ": has no row"),
        ("a.json", json.dumps(SHORT).encode(), ": row 2: the field"),
        ("b.json", json.dumps(SHORT, indent=1).encode()[:-9], ": row 2: not JSON"),
        ("c.json", b'[{"id": "a", "text": "x"}', ": row 1: no comma before it, and no end"),
        ("d.json", b'[{"id": "a", "text": "x"}, 7]', ": row 1: not a JSON object ('7]')"),
        ("e.json", b'[{"id": "a", "text": "x"},', ": row 1: the list ends before it"),
        ("f.json", b'[{"id": "a", "text": "x"}] []', ": row 1: more text after the end"),
        ("g.json", b'[{"a":' + b"[" * 100_000, ": row 0: nested too deep"),
        ("h.json", b"[]", ": has no row"),
        ("i.json", b'{\n "rows": []\n}', ":1: not JSON"),
        ("a.gz", b'{"id": "a"}', ": is not packed as its name says"),
        ("a.jsonl.zst", b'{"id": "a"}', ": is not packed as its name says"),
        ("b.jsonl.gz", packed(jsonl(ROWS))[:-40], ": cut off or damaged after"),
        ("c.jsonl.gz", packed(jsonl(ROWS))[:60] + b"\0" * 90, ": cut off or damaged after"),
        ("d.jsonl.gz", packed(jsonl(ROWS)) + b"more", ": cut off or damaged after"),
        ("a.parquet.gz", packed(b"PAR1"), ": is packed as a whole"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_by_its_row(
    name: str, data: bytes, told: str, tmp_path: Path
) -> None:
    (path := tmp_path / name).write_bytes(data)
    found = place_of_bad(path)
    assert found.startswith(told), found
    assert "\n" not in found and len(found) < 400


@pytest.mark.parametrize("cut", [5, 30, -3])
def test_a_zstandard_file_that_is_cut_off_or_damaged_is_named(cut: int, tmp_path: Path) -> None:
    packed = zstd(jsonl(ROWS))
    (path := tmp_path / "rows.jsonl.zst").write_bytes(packed[:cut])
    assert place_of_bad(path).startswith(": cut off or damaged after")
    flipped = bytearray(packed)
    flipped[-1] ^= 255  # of the checksum
    path.write_bytes(flipped)
    assert place_of_bad(path).startswith(": cut off or damaged after")


def test_a_frame_is_told_from_what_is_none() -> None:
    reader = _core.ZstdReader(Path(__file__))
    with pytest.raises(OSError, match="BadMagicNumber"):
        reader.read(10)


@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_what_unpacks_without_end_stops_in_little_memory(
    pack: str, tmp_path: Path, monkeypatch
) -> None:
    # Regimes: one endless line, and lines without an end.
    monkeypatch.setattr("dalign.files.unpacked.FREE_BYTES", 1 << 25)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, byte, told in (
        ("zeros", b"x", "longer than"),
        ("lines", b"\n", "unpacks to more than"),
    ):
        block = gzip.compress(byte * (1 << 24)) if pack == "gz" else zstd(byte * (1 << 24))
        (path := tmp_path / f"{name}.jsonl.{pack}").write_bytes(block * 9)
        assert told in place_of_bad(path)
        with pytest.raises(InputError, match=told):
            list(rows_files(path)[0].numbered_lines())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 160


def test_an_element_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "long.json").write_text('[{"id": "' + "x" * (MOST_ROW_BYTES + 9_000_000))
    assert ": row 0: longer than" in place_of_bad(path)


def test_a_folder_and_a_pattern_are_read_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(jsonl(ROWS[:2]))
    (folder / "b.csv.gz").write_bytes(packed(table(ROWS[2:])))
    (folder / "c.json").write_text(json.dumps([ROWS[0]]))
    (folder / "README.md").write_text("Rows.")
    for source in (folder, folder / "*.*[nzl]"):
        places, ids, numbers = [], [], []
        for batch, _ in open_rows(source, 64).batches(["id"], whole=True):
            ids += batch.texts("id").to_list()
            places += [batch.place(row) for row in range(batch.rows)]
            numbers += [batch.place_of(int(number)) for number in batch.row_numbers]
        assert ids == ["a", "b", "c", "d", "e", "a"]
        assert numbers == places
        assert [place.removeprefix(f"{folder}/") for place in places] == [
            "a.jsonl:1", "a.jsonl:2", "b.csv.gz:2", "b.csv.gz:3", "b.csv.gz:4", "c.json: row 0",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "asked", "told"),
    [
        ((), ".", "is a folder without a file that ends in .jsonl"),
        ((), "*.jsonl", "matches no file"),
        ((), "a**b", "matches no file"),
        (("a.jsonl", "b.parquet"), ".", "b.parquet: is of another kind than"),
        (("a.parquet", "other.parquet"), ".", "other.parquet: has other columns"),
        (("a.jsonl", "b.txt"), "*", "b.txt: its name must end in .jsonl"),
    ],
)
def test_what_cannot_be_read_as_one_is_refused(names, asked, told, tmp_path: Path) -> None:
    for name in names:
        if name.endswith(".parquet"):
            pl.DataFrame({name[0]: ["x"]}).write_parquet(tmp_path / name)
        else:
            (tmp_path / name).write_text('{"a": "x"}\n')
    with pytest.raises(InputError, match=told.replace(".", r"\.")):
        open_rows(tmp_path / asked, 64)
