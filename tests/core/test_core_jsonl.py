"""Files of rows: what Python's own json reads, and a filter that keeps what a plain loop keeps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign import _core
from hypothesis import given, settings
from hypothesis import strategies as st

CASES = json.loads((Path(__file__).parents[1] / "cases" / "jsonl.json").read_text("utf-8"))


def named(rows: list[Any]) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in rows]


def texts(column: Any) -> list[str | None]:
    return pl.Series(column).to_list()


def read(path: Path, fields: list[str], batch_bytes: int, optional: list[str]) -> list[list[Any]]:
    """Line and fields of each row."""
    rows: list[list[Any]] = []
    for batch in _core.JsonlReader(path, fields, batch_bytes, optional):
        columns = [texts(batch.column(name)) for name in [*fields, *optional]]
        assert batch.rows == len(batch.lines) > 0
        rows += [list(row) for row in zip(batch.lines.tolist(), *columns, strict=True)]
    return rows


def refusal(call: Callable[[], object]) -> _core.CoreError:
    with pytest.raises(_core.CoreError) as raised:
        call()
    return raised.value


@pytest.mark.parametrize("batch_bytes", [1, 16, 1 << 20], ids=["one row", "some rows", "all rows"])
@pytest.mark.parametrize("case", named(CASES))
def test_a_file_is_read_as_the_table_says(
    case: dict[str, Any], batch_bytes: int, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        bytes.fromhex(case["hex"]) if "hex" in case else case["file"].encode("utf-8", "strict")
    )
    fields, optional = case.get("fields", ["a"]), case.get("optional", [])
    if "error" not in case:
        assert read(path, fields, batch_bytes, optional) == case["rows"]
        return
    error = refusal(lambda: read(path, fields, batch_bytes, optional))
    assert (error.kind, error.row) == (case["error"]["kind"], case["error"]["row"])
    assert str(error).startswith(f"{path}:{error.row}: ")


WITHOUT_SURROGATES = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(WITHOUT_SURROGATES, max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(
    st.tuples(st.dictionaries(TEXTS, VALUES, max_size=3), TEXTS, st.booleans(), st.booleans()),
    max_size=8,
)


def written(rows: list[tuple[dict[str, Any], str, bool, bool]]) -> bytes:
    lines = [
        json.dumps({**others, "a": text}, ensure_ascii=escaped) + ("\r\n" if windows else "\n")
        for others, text, escaped, windows in rows
    ]
    return "".join(lines).encode()


@given(rows=ROWS, batch_bytes=st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_a_text_is_what_the_json_module_reads(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], batch_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(written(rows))
    expected = [[line, text] for line, (_, text, _, _) in enumerate(rows, 1)]
    assert read(path, ["a"], batch_bytes, []) == expected
    raw = [r for b in _core.JsonlReader(path, ["a"], batch_bytes) for r in texts(b.raw())]
    assert raw == path.read_bytes().decode().replace("\r\n", "\n").split("\n")[:-1]


PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "w",
        " ",
        "\n",
        "\t",
        "é",
        "🙂",
        "\u00a0",
        '"',
        "\\",
        "/",
        "\x1f",
        "x y",
    ]
)
COMPLETIONS = st.lists(PIECES, max_size=9).map("".join) | st.just("<think>w</think>x y")


def reference(lines: list[str], low: int, high: int) -> list[tuple[str | None, str | None]]:
    """Reason and detail of each row, in the plainest way."""
    first: dict[str, int] = {}
    reasons: list[tuple[str | None, str | None]] = []
    for number, text in enumerate(lines, 1):
        parsed = _core.parse_completions(
            pl.Series([text]), "<think>", "</think>", False, pl.Series([False])
        )
        status = pl.DataFrame(parsed)["status"][0]
        # The characters that Rust's `char::is_whitespace` knows; Python's split has four more.
        words = text.replace("\x1f", "\ue000").split()
        key = " ".join(words)
        if status != "ok":
            reasons.append((status, None))
        elif len(text) < low:
            reasons.append(("too_short", f"{len(text)} characters, at least {low}"))
        elif len(text) > high:
            reasons.append(("too_long", f"{len(text)} characters, at most {high}"))
        elif key in first:
            reasons.append(("duplicate", f"the same text as line {first[key]}"))
        else:
            first[key] = number
            reasons.append((None, None))
    return reasons


def filtered(
    source: Path, kept: Path, dropped: Path, rules: tuple[Any, ...], batch_bytes: int
) -> list[tuple[str | None, str | None]]:
    """Reason and detail of each row, once both files are written."""
    rows = _core.RowFilter(*rules)
    kept_lines, dropped_lines = _core.LineWriter(kept), _core.LineWriter(dropped)
    found: list[tuple[str | None, str | None]] = []
    try:
        for batch in _core.JsonlReader(source, ["a"], batch_bytes):
            mask, why, details = rows.check_batch(batch, "a")
            assert mask.tolist() == [reason is None for reason in texts(why)]
            found += list(zip(texts(why), texts(details), strict=True))
            kept_lines.write(batch, mask)
            dropped_lines.write_dropped(batch, mask, why, details)
        kept_lines.finish()
        dropped_lines.finish()
    finally:
        # The traceback of an error would hold on to them.
        del kept_lines, dropped_lines
    return found


@given(rows=st.lists(st.tuples(COMPLETIONS, st.booleans()), max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_filter_keeps_what_a_plain_loop_keeps(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    source, kept, dropped = (
        folder / name for name in ("rows.jsonl", "kept.jsonl", "dropped.jsonl")
    )
    lines = [json.dumps({"a": text}, ensure_ascii=escaped) + "\n" for text, escaped in rows]
    source.write_text("".join(lines), "utf-8", newline="")
    expected = reference([text for text, _ in rows], 17, 24)

    rules = ("<think>", "</think>", False, 17, 24, True, 1)
    found = filtered(source, kept, dropped, rules, 40)
    assert [
        (reason, detail if reason in {"duplicate", "too_short", "too_long"} else None)
        for reason, detail in found
    ] == expected
    keep = [reason is None for reason, _ in expected]
    assert kept.read_text("utf-8") == "".join(
        line for line, keep in zip(lines, keep, strict=True) if keep
    )
    said = [json.loads(line) for line in dropped.read_text("utf-8").splitlines()]
    assert [(row["line"], row["reason"], row["row"]["a"]) for row in said] == [
        (number, reason, text)
        for number, ((reason, _), (text, _)) in enumerate(zip(expected, rows, strict=True), 1)
        if reason
    ]

    column = pl.Series([text for text, _ in rows], dtype=pl.String)
    flags = pl.Series([False] * len(rows), dtype=pl.Boolean)
    mask, why, details = _core.RowFilter(*rules).check(column, flags, None)
    assert list(zip(texts(why), texts(details), strict=True)) == found
    lines = pl.Series(range(1, len(rows) + 1), dtype=pl.UInt64)
    by_line = [
        pl.Series(part).to_list() for part in _core.RowFilter(*rules).check(column, flags, lines)
    ]
    assert by_line == [mask.tolist(), texts(why), texts(details)]


def test_more_hashes_than_memory_holds_give_the_same_rows(tmp_path: Path) -> None:
    source, kept = tmp_path / "rows.jsonl", tmp_path / "kept.jsonl"
    # 24 bytes a row: two thirds of a MiB of table is full after some 28,000.
    numbers = [n * 7_919 % 80_000 for n in range(120_000)]
    source.write_text("".join(f'{{"a": "{n}"}}\n' for n in numbers))
    rules = (None, None, False, 0, None, True, 1)
    found = filtered(source, kept, tmp_path / "dropped.jsonl", rules, 1 << 16)
    assert [reason for reason, _ in found] == [None] * 80_000 + ["duplicate"] * 40_000
    assert kept.read_text() == "".join(f'{{"a": "{n}"}}\n' for n in numbers[:80_000])


def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    source, kept = tmp_path / "rows.jsonl", tmp_path / "kept.jsonl"
    source.write_text('{"a": "x"}\n{"a": 1}\n')
    kept.write_text("as it was")
    rules = (None, None, False, 0, None, True, 1)
    error = refusal(lambda: filtered(source, kept, tmp_path / "dropped", rules, 1))
    assert (error.kind, error.row) == ("bad_field", 2)
    assert kept.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.jsonl", "rows.jsonl"]


def test_what_the_system_refuses_is_named(tmp_path: Path) -> None:
    error = refusal(lambda: _core.JsonlReader(tmp_path / "none.jsonl", ["a"], 9))
    assert (error.kind, error.row) == ("unreadable_file", None)
    assert str(tmp_path / "none.jsonl") in str(error)
    error = refusal(lambda: _core.LineWriter(tmp_path / "no folder" / "kept.jsonl"))
    assert error.kind == "unwritable_file"
    assert "no folder" in str(error)


def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    source, kept = tmp_path / "rows.jsonl", tmp_path / "kept.jsonl"
    source.write_text('{"a": "x"}\n')
    (tmp_path / "kept.jsonl.tmp").symlink_to(full)
    rules = (None, None, False, 0, None, True, 1)
    error = refusal(lambda: filtered(source, kept, tmp_path / "dropped.jsonl", rules, 99))
    assert error.kind == "unwritable_file"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_field_that_the_reader_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x", "b": "y"}\n')
    (batch,) = _core.JsonlReader(path, ["a"], 99)
    for call in (
        lambda: batch.column("b"),
        lambda: _core.RowFilter(None, None, False, 0, None, False, 1).check_batch(batch, "b"),
    ):
        assert refusal(call).kind == "unknown_field"


def test_a_column_outlives_its_batch(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"a": "a text longer than a view holds"}) + "\n")
    reader = _core.JsonlReader(path, ["a"], 99)
    columns = [batch.column("a") for batch in reader]
    del reader
    assert texts(columns[0]) == ["a text longer than a view holds"]


def test_columns_that_do_not_belong_to_a_batch_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x"}\n')
    (batch,) = _core.JsonlReader(path, ["a"], 99)
    writer = _core.LineWriter(tmp_path / "kept.jsonl")
    two, none = pl.Series([True, True]), pl.Series([None], dtype=pl.String)
    assert refusal(lambda: writer.write(batch, two)).kind == "length_mismatch"
    no = pl.Series([False])
    assert refusal(lambda: writer.write_dropped(batch, no, none, none)).kind == "null"
    writer.finish()
    with pytest.raises(ValueError, match="finished"):
        writer.finish()


def test_length_limits_that_leave_nothing_are_refused() -> None:
    error = refusal(lambda: _core.RowFilter(None, None, False, 2, 1, False, 1))
    assert (error.kind, error.value, error.limit) == ("bad_length_limits", 2.0, 1.0)
