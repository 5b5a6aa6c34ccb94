"""Draws by quota: what limits each stratum, what a quota file says, and which rows stay."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from dalign.balance import OTHERS, Draw, Quota, draw_rows, keep_drawn, read_quotas, wanted_draw
from dalign.errors import InputError
from dalign.files.batch import FrameBatch

# 7 rows, 5 of a and 2 of b; a's clauses S1 ×3, S2 ×1 and none ×1.
ROWS = pl.DataFrame(
    {
        "category": list("aababaa"),
        "clause": [["S1"], ["S1"], ["T"], ["S1"], None, ["S2"], None],
    }
)
FIELDS = {"category": "category", "clause": "clause"}


def batches(size: int) -> list[FrameBatch]:
    return [FrameBatch(ROWS[at : at + size], at, "rows") for at in range(0, ROWS.height, size)]


@pytest.mark.parametrize("most", [0, 1, 2, 5, 6])
def test_no_category_keeps_more_than_its_maximum_and_none_less(most: int) -> None:
    drawn, counts = draw_rows(
        batches(7), Draw("category", None, categories={OTHERS: Quota(0, most)})
    )
    kept = ROWS[drawn.tolist()]["category"].value_counts().rows()
    assert dict(kept) == {name: n for name, n in (("a", min(5, most)), ("b", min(2, most))) if n}
    assert dict(counts.select("category", "seen").rows()) == {"a": 5, "b": 2}


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_how_rows_come_in_batches_changes_no_draw(size: int) -> None:
    draw = Draw("category", "clause", total=4, seed=3)
    whole, some = draw_rows(batches(7), draw), draw_rows(batches(size), draw)
    assert whole[0].tolist() == some[0].tolist() and whole[1].equals(some[1])
    assert len(whole[0]) == 4
    decided = [keep_drawn(whole[0], list(FIELDS), batch) for batch in batches(size)]
    reasons = pl.concat([pl.Series(each.reasons) for each in decided])
    assert [row for row, reason in enumerate(reasons) if reason is None] == whole[0].tolist()


def test_a_category_below_its_minimum_is_short_beside_its_clauses() -> None:
    draw = Draw("category", "clause", categories={"b": Quota(minimum=3)})
    _, counts = draw_rows(batches(7), draw)
    short = counts.filter("short").select("category", "kept", "minimum")
    assert short.rows() == [("b", 2, 3)]


def test_a_quota_file_gives_total_and_quotas(tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    path.write_text(json.dumps({"total": 9, "categories": {"*": {"max": 2}, "a": {"min": 1, "weight": 2}}}))  # fmt: skip
    quotas = {"*": Quota(maximum=2), "a": Quota(minimum=1, weight=2)}
    assert read_quotas(path) == (9, {"categories": quotas, "clauses": {}})
    # What is asked for on the command line goes first.
    draw = wanted_draw(None, FIELDS, Quota(), 4, path, rarest=False, seed=0)
    assert (draw.total, draw.categories, draw.clause_field) == (4, quotas, "clause")


def test_a_quota_of_each_is_of_clauses_where_clauses_are_balanced() -> None:
    each = Quota(maximum=2)
    both = wanted_draw(None, FIELDS, each, None, None, rarest=False, seed=0)
    assert (both.categories, both.clauses) == ({}, {OTHERS: each})
    one = wanted_draw(["category"], FIELDS, each, None, None, rarest=False, seed=0)
    assert (one.categories, one.clause_field) == ({OTHERS: each}, None)


def test_a_draw_that_nothing_limits_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to balance by: give --max, --total or --quota"):
        wanted_draw(None, FIELDS, Quota(), None, None, rarest=False, seed=0)
    with pytest.raises(InputError, match="--by clauses: did you mean 'clause'"):
        wanted_draw(["clauses"], FIELDS, Quota(1), None, None, rarest=False, seed=0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (None, "unreadable_file"),
        ("{", "syntax"),
        ("[]", "wrong_type"),
        ('{"totl": 1}', "unknown_key"),
        ('{"total": -1}', "out_of_range"),
        ('{"categories": []}', "wrong_type"),
        ('{"categories": {"a": 1}}', "wrong_type"),
        ('{"categories": {"a": {"most": 1}}}', "unknown_key"),
        ('{"clauses": {"a": {"max": 0.5}}}', "wrong_type"),
        ('{"clauses": {"a": {"weight": true}}}', "wrong_type"),
    ],
)
def test_a_quota_file_that_cannot_be_read_has_a_kind_and_its_path(
    text: str | None, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "quota.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as met:
        read_quotas(path)
    assert (met.value.kind, met.value.path) == (kind, path)
    assert str(met.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("by", "kind"), [(["clas"], "unknown_choice"), (None, "not_valid")])
def test_a_draw_by_nothing_has_a_kind(by: list[str] | None, kind: str) -> None:
    with pytest.raises(InputError) as met:
        wanted_draw(by, {"category": "category"}, Quota(), None, None, rarest=False, seed=0)
    assert met.value.kind == kind
