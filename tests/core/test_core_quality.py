"""What completions are like, and the limits that they break, through the binding."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign import _core
from hypothesis import given, settings
from hypothesis import strategies as st

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "qualities.json").read_text(encoding="utf-8")
)
PIECES = ["a ", "b ", "安", "д ", ". ", "\n\n", "```\n", "(", "the policy above ", "é", "🙂"]
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def measure(rows: list[tuple[str, str, str]], **settings: Any) -> pl.DataFrame:
    prompts, reasoning, answers = (
        pl.Series([row[at] for row in rows], dtype=pl.String) for at in range(3)
    )
    return pl.DataFrame(
        _core.quality(
            prompts,
            reasoning,
            answers,
            settings.get("ngram", 3),
            settings.get("scripts", ["Latin"]),
            settings.get("phrases", []),
        )
    )


@pytest.mark.parametrize("case", [pytest.param(row, id=row["name"]) for row in CASES])
def test_a_completion_is_measured_as_the_table_says(case: dict[str, Any]) -> None:
    row = (case["prompt"], case["reasoning"], case["answer"])
    found = measure([row], **{key: case[key] for key in ("ngram", "scripts", "phrases")})
    row_found = found.row(0, named=True)
    assert {name: row_found[name] for name in case["expected"]} == pytest.approx(case["expected"])


def test_spans_are_bytes_and_null_where_there_is_none() -> None:
    found = measure([("", "", "Été 安全."), ("", "", "Summer.")])
    starts = found["answer_foreign_start"].to_list()
    ends = found["answer_foreign_end"].to_list()
    assert "Été 安全.".encode()[starts[0] : ends[0]].decode() == "安全"
    assert (starts[1], ends[1], found["answer_dangling_phrase"][1]) == (None, None, None)


def test_no_rows_give_an_empty_table_with_all_columns() -> None:
    assert measure([]).shape == (0, 27)


@given(st.lists(st.tuples(texts, texts, texts), max_size=4))
@settings(max_examples=30, deadline=None)
def test_columns_are_their_rows(rows: list[tuple[str, str, str]]) -> None:
    assert measure(rows).rows() == [measure([row]).row(0) for row in rows]


def test_the_first_broken_limit_is_the_reason() -> None:
    found = measure(
        [("", "", "One two."), ("", "", "It is. And so on and so on and"), ("", "", "")]
    )
    limits = [
        ("answer_cut_off", found["answer_cut_off"], None, 0.0),
        ("answer_cycle", found["answer_cycle"], None, 5.0),
        ("answer_words", found["answer_words"], 1.0, None),
        ("answer_tokens", pl.Series([3, 4, None]), None, 3.0),
    ]
    reasons = pl.Series(_core.quality_reasons(limits)).to_list()
    assert reasons == [None, "too_long", "too_short"]
    assert pl.Series(_core.quality_reasons(limits[:2])).to_list() == [None, "repetitive", None]
    assert pl.Series(_core.quality_reasons(limits[:1])).to_list() == [None, "cut_off", None]


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"ngram": 0}, "bad_ngram"),
        ({"scripts": ["Martian"]}, "unknown_script"),
        ({"phrases": [""]}, "blank_phrase"),
    ],
)
def test_what_cannot_be_measured_is_refused(settings: dict[str, Any], kind: str) -> None:
    with pytest.raises(_core.CoreError) as raised:
        measure([("", "", "")], **settings)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("measure_name", "low", "high", "kind"),
    [
        ("length", None, 1.0, "unknown_measure"),
        ("answer_echo", 0.1, None, "bad_limit"),
        ("answer_chars", 2.0, 1.0, "bad_limit"),
    ],
)
def test_a_limit_that_nothing_can_keep_is_refused(
    measure_name: str, low: float | None, high: float | None, kind: str
) -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core.quality_reasons([(measure_name, pl.Series([1.0]), low, high)])
    assert raised.value.kind == kind
