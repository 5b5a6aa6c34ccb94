"""The tables in tests/cases, which the Rust tests read too, through the binding."""

import json
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from dalign import _core

CASES = Path(__file__).parents[1] / "cases"


def table(name: str) -> list[Any]:
    rows = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["name"]) for row in rows]


def check_error(expected: dict[str, Any], call: Callable[[], object]) -> None:
    with pytest.raises(_core.CoreError) as raised:
        call()
    assert {field: getattr(raised.value, field) for field in expected} == expected


def ends(groups: Sequence[Any]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *map(len, groups)])


@pytest.mark.parametrize("case", table("completions"))
def test_a_completion_is_parsed_as_the_table_says(case: dict[str, Any]) -> None:
    open_tag, close_tag = case.get("tags", ["<think>", "</think>"]) or (None, None)
    parsed = _core.parse_completions(
        pl.Series([case["text"]]),
        open_tag,
        close_tag,
        case.get("prefilled", False),
        pl.Series([case.get("truncated", False)]),
    )
    expected = (case["status"], case["reasoning"], case["answer"])
    assert pl.DataFrame(parsed).rows() == [expected]


@pytest.mark.parametrize("case", table("verdicts"))
def test_a_reply_is_read_as_the_table_says(case: dict[str, Any]) -> None:
    replies = pl.Series([case["reply"]])
    seals, judged = pl.Series([case.get("seal", "")]), pl.Series([case.get("material", "")])
    low, high, cut = case.get("low", 0), case.get("high", 10), pl.Series([case.get("cut", False)])
    verdicts = _core.parse_verdicts(replies, low, high, seals, judged, cut)
    expected = (case["state"], case.get("score"), case.get("stance"))
    assert pl.DataFrame(verdicts).rows() == [expected]


@pytest.mark.parametrize("case", table("duplicates"))
def test_duplicates_are_found_as_the_table_says(case: dict[str, Any]) -> None:
    assert (
        _core.exact_duplicates(pl.Series(case["texts"], dtype=pl.String)).tolist() == case["first"]
    )


@pytest.mark.parametrize("case", table("aggregates"))
def test_judgements_are_reduced_as_the_table_says(case: dict[str, Any]) -> None:
    scores = pl.Series(list(chain(*case["groups"])), dtype=pl.Float64)

    def reduce() -> list[tuple[Any, ...]]:
        parameter, min_valid = case.get("parameter"), case["min_valid"]
        offsets = ends(case["groups"])
        return pl.DataFrame(
            _core.aggregate(scores, offsets, case["method"], parameter, min_valid)
        ).rows()

    if "error" in case:
        check_error(case["error"], reduce)
    else:
        assert reduce() == [tuple(row) for row in case["expected"]]


@pytest.mark.parametrize("case", table("ids"))
def test_a_row_has_the_id_that_the_table_says(case: dict[str, Any]) -> None:
    assert _core.row_id(case["parents"], case["variant"], case["index"]) == case["id"]
    if len(case["parents"]) == 1:
        parents = pl.Series(case["parents"])
        indices = pl.Series([case["index"]], dtype=pl.UInt64)
        assert pl.Series(_core.row_ids([parents], case["variant"], indices)).to_list() == [
            case["id"]
        ]
