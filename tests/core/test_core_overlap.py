"""Runs of words that stand in reference texts too, through the binding."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st

CASES = json.loads((Path(__file__).parents[1] / "cases" / "overlaps.json").read_text())


def overlap(references: list[str], n: int, text: str, own: str | None) -> dict:
    index = _core.NgramIndex(pl.Series(references, dtype=pl.String), n)
    owned = None if own is None else pl.Series([own])
    return pl.DataFrame(index.overlap(pl.Series([text]), owned)).row(0, named=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_case_of_overlaps_holds(case: dict) -> None:
    found = overlap(case["references"], case["n"], case["text"], case.get("own"))
    assert (found["ngrams"], found["shared"]) == (case["ngrams"], case["shared"])
    run = case["text"].encode()[found["start"] or 0 : found["end"] or 0].decode() or None
    assert run == case.get("longest")
    assert (found["reference"], found["words"]) == (case.get("reference"), case.get("words"))


@given(st.text(max_size=60), st.integers(1, 4))
def test_a_text_shares_every_run_with_itself(text: str, n: int) -> None:
    found = overlap([text], n, text, None)
    assert found["shared"] == found["ngrams"]


@given(st.text(max_size=60), st.text(max_size=60), st.integers(1, 4))
def test_what_the_user_wrote_is_never_shared(text: str, reference: str, n: int) -> None:
    assert overlap([reference], n, text, text)["shared"] == 0


def test_runs_of_no_words_are_refused() -> None:
    with pytest.raises(_core.CoreError, match="at least 1") as caught:
        _core.NgramIndex(pl.Series(["a"]), 0)
    assert (caught.value.kind, caught.value.limit) == ("bad_ngram", 1.0)
