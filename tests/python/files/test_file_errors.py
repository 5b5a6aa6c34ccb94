"""What a program can match on where a file cannot be used: kind, path, line or row, field, value, limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign import _core
from dalign.duplicates import Near, dedup_file
from dalign.errors import InputError
from dalign.files.refusals import refusals
from dalign.files.sift import FileJob
from dalign.overlap import decontaminate_file
from dalign.pipeline.filter_file import Wanted, filter_file

GOOD = '{"completion": "<think>a</think>b", "score": 1}\n'


def filtered(job: FileJob, **wanted: Any) -> None:
    filter_file(job, Wanted(**wanted))


def scored(job: FileJob) -> None:
    dedup_file(job, "completion", "score", None)


# The input, what is done with it, and the facts of the error.
LINES = [
    (GOOD + "\n{\n", filtered, {"kind": "bad_json", "line": 3}),
    (GOOD + '{"completion": 7}\n', filtered, {"kind": "bad_field", "line": 2}),
    ('\n{"score": 1}\n', filtered, {"kind": "missing_field", "line": 2}),
    ('\n{"completion": "a", "score": "b"}\n', scored, {"kind": "bad_field", "line": 2, "row": 0, "key": "score", "value": "b"}),
    (GOOD + '{"completion": "a"}\n', scored, {"kind": "missing_field", "line": 2, "row": 1, "key": "score"}),
    ("", filtered, {"kind": "empty"}),
    ("\n", filtered, {"kind": "empty"}),
]  # fmt: skip


def facts(error: InputError) -> dict[str, Any]:
    named = ("kind", "path", "line", "row", "key", "value", "limit")
    return {name: found for name in named if (found := getattr(error, name)) is not None}


@pytest.mark.parametrize(("text", "work", "found"), LINES)
def test_a_line_at_fault_is_told_in_fields(
    text: str, work: Any, found: dict[str, Any], tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(text)
    with pytest.raises(InputError) as refused:
        work(FileJob("work", source, tmp_path / "out.jsonl"))
    assert facts(refused.value) == {"path": source, **found}


def test_a_row_of_a_table_at_fault_is_told_in_fields(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pl.DataFrame({"completion": ["a", None]}).write_parquet(source)
    with pytest.raises(InputError) as refused:
        filtered(FileJob("filter", source, tmp_path / "out.parquet"))
    wanted = {"kind": "bad_field", "path": source, "row": 1, "key": "completion"}
    assert facts(refused.value) == wanted


def test_settings_that_nothing_keeps_are_told_in_fields(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(GOOD)
    job = FileJob("work", source, out)
    found = []
    for work in (
        lambda: filtered(job, min_chars=5, max_chars=4),
        lambda: dedup_file(job, "completion", None, Near(1.5)),
        lambda: decontaminate_file(job, [source], ["completion"], "completion", 0),
        lambda: filtered(FileJob("work", source, out, 1)),
        lambda: filtered(FileJob("work", source, source, force=True)),
    ):
        with pytest.raises(InputError) as refused:
            work()
        found.append(refused.value.kind)
    assert found == ["bad_length_limits", "bad_threshold", "bad_ngram", "too_small", "is_input"]


def test_the_cores_own_facts_survive() -> None:
    with pytest.raises(InputError, match=r"^quota: .*; swap them$") as refused, refusals("quota"):
        _core.RowFilter(None, None, False, 5, 4, False, 1)
    assert facts(refused.value) == {"kind": "bad_length_limits", "value": 5.0, "limit": 4.0}
