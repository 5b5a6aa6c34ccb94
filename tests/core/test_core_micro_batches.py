"""Rows dealt to ranks, and rows packed as they come, through the binding."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st

CASES = json.loads((Path(__file__).parents[1] / "cases" / "micro_batches.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_case_of_micro_batches_holds(case: dict) -> None:
    lengths = np.array(case["lengths"], dtype=np.uint32)
    arguments = (case["ranks"], case["capacity"], case["linear"], case["quadratic"])
    if "error" in case:
        with pytest.raises(_core.CoreError) as caught:
            _core.micro_batches(lengths, *arguments)
        assert {name: getattr(caught.value, name) for name in case["error"]} == case["error"]
        return
    order, offsets = _core.micro_batches(lengths, *arguments)
    assert [order[a:b].tolist() for a, b in pairwise(offsets)] == case["batches"]


@given(
    st.lists(st.integers(1, 50), max_size=120),
    st.integers(1, 40),
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
)
def test_a_stream_packs_each_row_once_and_fills_no_bin_above_the_capacity(
    lengths: list[int], buffer_rows: int, pushes: list[int]
) -> None:
    packer = _core.StreamPacker(50, buffer_rows)
    bins: list[list[int]] = []
    at = 0
    while at < len(lengths):
        size = pushes[len(bins) % len(pushes)]
        closed = packer.push(np.array(lengths[at : at + size], dtype=np.uint32))
        bins += [closed[0][a:b].tolist() for a, b in pairwise(closed[1])]
        at += size
    closed = packer.finish()
    bins += [closed[0][a:b].tolist() for a, b in pairwise(closed[1])]
    assert sorted(row for rows in bins for row in rows) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in rows) <= 50 for rows in bins)


def test_a_stream_that_has_ended_takes_nothing_more() -> None:
    packer = _core.StreamPacker(8, 2)
    packer.finish()
    with pytest.raises(ValueError, match="make another one"):
        packer.push(np.array([1], dtype=np.uint32))
    with pytest.raises(ValueError, match="make another one"):
        packer.finish()
