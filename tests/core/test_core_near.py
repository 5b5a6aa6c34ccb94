"""Near-duplicates through the binding: the table, random texts, two readings of a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st

TABLE = Path(__file__).parents[1] / "cases" / "near_duplicates.json"


def cases() -> list[Any]:
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["name"]) for row in rows]


def column(texts: list[str]) -> pl.Series:
    return pl.Series(texts, dtype=pl.String)


def near(texts: list[str], *settings: Any, scores: Any = None) -> tuple[list[int], list[Any]]:
    kept, pairs = _core.near_duplicates(column(texts), *settings, scores)
    return kept.tolist(), pl.DataFrame(pairs).rows()


@pytest.mark.parametrize("case", cases())
def test_near_duplicates_are_found_as_the_table_says(case: dict[str, Any]) -> None:
    settings = [case[name] for name in ("ngram", "permutations", "bands", "threshold")]
    scores = pl.Series(case["scores"], dtype=pl.Float64) if "scores" in case else None
    if "error" in case:
        with pytest.raises(_core.CoreError) as raised:
            near(case["texts"], *settings, scores=scores)
        found = {field: getattr(raised.value, field) for field in case["error"]}
        assert found == case["error"]
    else:
        expected = (case["kept"], [tuple(pair) for pair in case["pairs"]])
        assert near(case["texts"], *settings, scores=scores) == expected


def shingles(text: str, ngram: int) -> set[tuple[str, ...]]:
    words = text.split()
    n = min(ngram, len(words))
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


# U+001C is white space to Python alone; a no-break space is white space, a zero-width one is not.
texts = st.lists(
    st.text(st.sampled_from("ab \n\x1c\xa0\u200bé."), max_size=30), min_size=1, max_size=12
)


@given(texts, st.integers(1, 4))
def test_a_pair_has_the_jaccard_similarity_of_its_sets(rows: list[str], ngram: int) -> None:
    for a, b, jaccard in near(rows, ngram, 128, 128, 0.4)[1]:
        one, other = shingles(rows[a], ngram), shingles(rows[b], ngram)
        assert jaccard == len(one & other) / len(one | other) >= 0.4


@given(texts, st.integers(1, 5), st.integers(0, 5))
def test_two_readings_find_what_one_call_finds(rows: list[str], batch: int, most: int) -> None:
    index = _core.NearIndex(2, 128, 64, 0.5)
    for start in range(0, len(rows), batch):
        index.add(column(rows[start : start + batch]))
    candidates = index.candidates()
    while (wanted := candidates.wanted(most)) is not None:
        assert wanted.dtype == np.uint32
        candidates.verify(column([rows[row] for row in wanted]))
    kept, pairs = candidates.finish(None)
    assert (kept.tolist(), pl.DataFrame(pairs).rows()) == near(rows, 2, 128, 64, 0.5)


def test_pairs_that_nobody_verified_are_no_result() -> None:
    index = _core.NearIndex(2, 128, 16, 0.7)
    index.add(column(["a b c", "a  b c", "d"]))
    candidates = index.candidates()
    with pytest.raises(_core.CoreError) as raised:
        candidates.finish(None)
    assert (raised.value.kind, raised.value.value) == ("unverified", 1)
    wanted = candidates.wanted(10)
    assert wanted is not None
    assert wanted.tolist() == [0, 1]
    with pytest.raises(_core.CoreError) as raised:
        candidates.verify(column(["a b c"]))
    assert (raised.value.kind, raised.value.value, raised.value.limit) == ("not_wanted", 1, 2)
    candidates.verify(column(["a b c", "a  b c"]))
    assert candidates.finish(None)[0].tolist() == [0, 0, 2]
