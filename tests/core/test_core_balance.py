"""Rows drawn by category and clause: the table that the Rust tests read too, and properties."""

import json
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dalign import _core
from hypothesis import given, settings
from hypothesis import strategies as st

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "balances.json").read_text(encoding="utf-8")
)
Quotas = list[tuple[str | None, int, int | None, float]]


def quotas(named: dict[str, dict[str, Any]]) -> Quotas:
    return [
        (
            None if name == "*" else name,
            quota.get("minimum", 0),
            quota.get("maximum"),
            quota.get("weight", 1.0),
        )
        for name, quota in named.items()
    ]


def at_most(maximum: int) -> Quotas:
    return [(None, 0, maximum, 1.0)]


def offer(
    balancer: _core.Balancer, categories: list[str] | None, clauses: list[list[str]] | None
) -> None:
    flat = [clause for row in clauses or [] for clause in row]
    balancer.offer(
        None if categories is None else pl.Series(categories, dtype=pl.String),
        None if clauses is None else pl.Series(flat, dtype=pl.String),
        None if clauses is None else np.array([0, *accumulate(map(len, clauses))]),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_rows_are_drawn_as_the_table_says(case: dict[str, Any]) -> None:
    arguments = (
        case.get("total"),
        quotas(case.get("category_quotas", {})),
        quotas(case.get("clause_quotas", {})),
        case.get("rarest", False),
        7,
    )
    if "error" in case:
        with pytest.raises(_core.CoreError) as raised:
            _core.Balancer(*arguments)
        expected = case["error"]
        assert {field: getattr(raised.value, field) for field in expected} == expected
        return
    balancer = _core.Balancer(*arguments)
    categories, clauses = case.get("categories"), case.get("clauses")
    offer(balancer, categories, clauses)
    kept, strata, by_category = balancer.finish()
    counts = pl.DataFrame(by_category if clauses is None else strata)
    rows = counts.select("category", "clause", "seen", "kept", "short").rows()
    if categories is None:
        rows = [(None, *row[1:]) for row in rows]
    assert rows == [tuple(row) for row in case["strata"]]
    assert len(kept) == sum(row[3] for row in rows)


@settings(max_examples=60, deadline=None)
@given(
    categories=st.lists(st.sampled_from("abcd"), max_size=300),
    maximum=st.integers(0, 40),
    batch=st.integers(1, 100),
    seed=st.integers(0, 2**64 - 1),
)
def test_batches_do_not_matter_and_maxima_hold(
    categories: list[str], maximum: int, batch: int, seed: int
) -> None:
    def draw(batch: int) -> list[int]:
        balancer = _core.Balancer(None, at_most(maximum), [], False, seed)
        for start in range(0, len(categories), batch):
            offer(balancer, categories[start : start + batch], None)
        return balancer.finish()[0].tolist()

    kept = draw(batch)
    assert kept == draw(1_000) == sorted(set(kept))
    seen = Counter(categories)
    assert Counter(categories[row] for row in kept) == Counter(
        {name: min(count, maximum) for name, count in seen.items() if min(count, maximum)}
    )


def test_another_seed_draws_other_rows() -> None:
    def draw(seed: int) -> list[int]:
        balancer = _core.Balancer(10, [], [], False, seed)
        offer(balancer, ["a"] * 1_000, None)
        return balancer.finish()[0].tolist()

    assert draw(1) == draw(1) != draw(2)


def test_a_balancer_draws_once() -> None:
    balancer = _core.Balancer(None, [], [], False, 0)
    balancer.finish()
    for call in (balancer.finish, lambda: offer(balancer, ["a"], None)):
        with pytest.raises(_core.CoreError) as raised:
            call()
        assert raised.value.kind == "finished"


def test_batches_have_the_columns_of_the_first() -> None:
    balancer = _core.Balancer(None, [], [], False, 0)
    offer(balancer, ["a"], None)
    for categories, clauses in ((["a"], [["S1"]]), (None, [["S1"]]), (None, None)):
        with pytest.raises(_core.CoreError) as raised:
            offer(balancer, categories, clauses)
        assert raised.value.kind == "other_columns"
