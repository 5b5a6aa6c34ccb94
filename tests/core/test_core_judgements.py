"""Judge replies with sub-scores and clauses, through the binding."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "judgements.json").read_text(encoding="utf-8")
)
PIECES = [
    "</think>",
    "score",
    ": 7",
    '{"score": 3}',
    "help: 4",
    "S3: violated",
    "\n",
    "{",
    '"',
    "é",
]
replies = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


def read(texts: list[str], names: list[str]) -> pl.DataFrame:
    column = pl.Series(texts, dtype=pl.String)
    return pl.DataFrame(_core.parse_judgements(column, 0, 10, names))


@pytest.mark.parametrize("case", [pytest.param(row, id=row["name"]) for row in CASES])
def test_a_reply_is_read_with_its_parts_as_the_table_says(case: dict[str, Any]) -> None:
    expected = {"state": case["state"], "score": case.get("score"), "stance": case.get("stance")}
    for name, state, score in case["sub_scores"]:
        expected |= {name: score, f"{name}_state": state}
    expected["clause_ids"] = [clause for clause, _ in case["clauses"]]
    expected["clause_verdicts"] = [verdict for _, verdict in case["clauses"]]
    names = [name for name, _, _ in case["sub_scores"]]
    assert read([case["reply"]], names).row(0, named=True) == expected


def test_no_replies_give_an_empty_table_with_all_columns() -> None:
    table = read([], ["care"])
    assert table.shape == (0, 7)
    assert table.schema["clause_ids"] == pl.List(pl.String)


def test_a_bad_name_is_refused_with_its_place() -> None:
    with pytest.raises(_core.CoreError, match="score") as raised:
        read(["Score: 7"], ["care", "score"])
    assert (raised.value.kind, raised.value.row) == ("bad_sub_score", 1)


@given(st.lists(replies, max_size=5))
def test_a_column_is_its_rows(texts: list[str]) -> None:
    together = read(texts, ["help"])
    apart = [read([text], ["help"]).row(0) for text in texts]
    assert together.rows() == apart


@given(replies, st.integers(0, 10), st.integers(0, 10))
def test_what_stands_on_the_last_lines_is_read(text: str, score: int, care: int) -> None:
    row = read([f"{text}</think>\nCare: {care}/10\nScore: {score}"], ["care"]).row(0, named=True)
    assert (row["state"], row["score"], row["care"]) == ("ok", score, care)
