"""Packing through the binding: the shared tables, Arrow kinds of lists, and properties."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from dalign import _core
from hypothesis import given
from hypothesis import strategies as st
from tables import cases, check_error


@pytest.mark.parametrize("case", cases("plans") + cases("over_long"))
def test_rows_share_the_bins_that_the_table_says(case: dict[str, Any]) -> None:
    rule = case.get("rule", "error")
    ids = pa.array([[0] * length for length in case["lengths"]], pa.large_list(pa.int32()))
    rows = pa.table({"input_ids": ids})
    if rule == "mask":
        rows = rows.append_column("labels", ids)
    if "error" in case:
        check_error(case["error"], lambda: _core.TablePacker(case["capacity"], rule).pack(rows))
        return
    packed, over_long = _core.TablePacker(case["capacity"], rule).pack(rows)
    assert pl.DataFrame(packed)["rows"].to_list() == case["bins"]
    assert over_long.tolist() == case.get("over_long", [])


def arrow(case: dict[str, Any], ids: pa.DataType) -> pa.Table:
    kinds = {"input_ids": ids, "labels": pa.int64(), "train_mask": pa.bool_()}
    return pa.table(
        {name: pa.array(case[name], pa.list_(kind)) for name, kind in kinds.items() if name in case}
    )


@pytest.mark.parametrize("ids", [pa.int32(), pa.int64(), pa.uint32()], ids=str)
@pytest.mark.parametrize("case", cases("packed_tables"))
def test_a_table_is_packed_as_the_table_says(case: dict[str, Any], ids: pa.DataType) -> None:
    rows = arrow(case, ids)
    if "error" in case:
        with pytest.raises(_core.CoreError) as raised:
            _core.TablePacker(case["capacity"], case["rule"]).pack(rows)
        for field, value in case["error"].items():
            assert getattr(raised.value, field) == value
        return
    packed, over_long = _core.TablePacker(case["capacity"], case["rule"]).pack(rows)
    found = pa.table(packed)
    assert found.to_pydict() == case["expected"]
    assert found.schema.field("input_ids").type.value_type == ids
    assert over_long.tolist() == case["over_long"]
    positions = pa.array(_core.position_ids(found["seq_lengths"]))
    assert positions.to_pylist() == case["position_ids"]
    assert positions.type.value_type == pa.int32()


def test_a_packer_takes_the_memory_of_what_is_gone_and_leaves_what_is_held_alone() -> None:
    # Columns of 2 MiB and more are taken up again; each table has one token of its own.
    packer = _core.TablePacker(1 << 20, "error")
    rows = [
        pa.table({"input_ids": pa.array([[value] * (1 << 20)], pa.large_list(pa.int32()))})
        for value in range(4)
    ]
    held = pa.table(packer.pack(rows[0])[0])
    places = []
    for value, table in enumerate(rows[1:], start=1):
        packed = pa.table(packer.pack(table)[0])
        tokens = np.asarray(packed["input_ids"].chunk(0).flatten())
        assert len(tokens) == 1 << 20
        assert (tokens == value).all()
        del tokens
        places.append(packed["input_ids"].chunk(0).values.buffers()[1].address)
        del packed
    assert len(set(places)) == 1
    # Nor is what is held taken away with the packer.
    del packer
    assert not np.asarray(held["input_ids"].chunk(0).flatten()).any()


def test_a_smaller_table_in_the_memory_of_a_larger_one_has_its_own_tokens_only() -> None:
    packer = _core.TablePacker(1 << 20, "mask")
    for size in (1 << 20, (1 << 19) + 1, 1 << 20):
        ids = pa.array([list(range(size))], pa.large_list(pa.int32()))
        rows = pa.table({"input_ids": ids, "labels": ids})
        packed, _ = packer.pack(rows)
        expected, _ = _core.TablePacker(1 << 20, "mask").pack(rows)
        assert pa.table(packed).equals(pa.table(expected))
        del packed


def test_a_packer_refuses_a_rule_that_is_none() -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core.TablePacker(8, "cut")
    assert raised.value.kind == "unknown_over_long"


ROWS = [[1, 2], [3, 4, 5], [6]]
LISTS = pa.array(ROWS, pa.list_(pa.int32()))
LARGE = pa.array(ROWS, pa.large_list(pa.int32()))


@pytest.mark.parametrize(
    "rows",
    [
        pa.table({"input_ids": LISTS}),
        pa.table({"input_ids": LARGE}),
        pa.table({"input_ids": pa.chunked_array([LISTS[:1], LISTS[1:1], LISTS[1:]])}),
        pa.table({"input_ids": pa.array([[9], *ROWS, [8]], pa.list_(pa.int32()))}).slice(1, 3),
        pa.record_batch({"input_ids": LISTS}),
        pl.DataFrame({"input_ids": ROWS}, schema={"input_ids": pl.List(pl.Int32)}),
    ],
    ids=["lists", "large lists", "chunks", "a slice", "a batch", "polars"],
)
def test_lists_come_from_any_arrow_producer_and_go_back_as_they_came(rows: Any) -> None:
    packed = pa.table(_core.TablePacker(5, "error").pack(rows)[0])
    assert packed["input_ids"].to_pylist() == [[3, 4, 5, 1, 2], [6]]
    is_large = isinstance(rows, pl.DataFrame) or pa.types.is_large_list(
        rows.schema.field("input_ids").type
    )
    assert pa.types.is_large_list(packed.schema.field("input_ids").type) == is_large
    assert pl.DataFrame(packed)["rows"].to_list() == [[1, 0], [2]]


def test_a_mask_may_be_of_numbers() -> None:
    rows = pa.table({"input_ids": [[1, 2, 3]], "train_mask": [[0, 0, 1]]})
    packed = pa.table(_core.TablePacker(4, "error").pack(rows)[0])
    assert packed["labels"].to_pylist() == [[-100, -100, 3]]


@pytest.mark.parametrize(
    ("rows", "rule", "message"),
    [
        ({"ids": [[1]]}, "error", "column `ids` cannot be packed"),
        ({"input_ids": [[1]], "rank": [1]}, "error", "column `rank` cannot be packed"),
        ({"labels": [[1]]}, "error", "no column `input_ids`"),
        ({"input_ids": [1]}, "error", "expected lists in column `input_ids`"),
        ({"input_ids": [[1.5]]}, "error", "int32, int64 or uint32 in column `input_ids`"),
        (
            {"input_ids": [[1, 2]], "labels": [[1.5, 2]]},
            "error",
            "int32 or int64 in column `labels`",
        ),
        ({"input_ids": [[1, 2]]}, "mask", "needs a column `labels` or `train_mask`"),
        (
            {"input_ids": [[1, 2]], "labels": [[1, 2]], "train_mask": [[1, 1]]},
            "error",
            "`labels` or `train_mask`, not both",
        ),
    ],
)
def test_what_cannot_be_packed_is_named(rows: Any, rule: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        _core.TablePacker(4, rule).pack(pa.table(rows))


@pytest.mark.parametrize("column", [[[1], None], [[1], [2, None]]])
def test_a_null_is_an_error_that_names_its_row(column: Any) -> None:
    chunked = pa.chunked_array([column[:1], column[1:]], pa.list_(pa.int32()))
    with pytest.raises(_core.CoreError) as raised:
        _core.TablePacker(4, "error").pack(pa.table({"input_ids": chunked}))
    assert (raised.value.kind, raised.value.row) == ("null", 1)


def test_a_negative_length_has_no_positions() -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core.position_ids(pa.array([[1, -1]]))
    assert raised.value.kind == "bad_number"


@given(
    st.lists(st.lists(st.integers(0, 99), min_size=2, max_size=9), max_size=40),
    st.integers(2, 12),
    st.sampled_from(["drop", "mask"]),
)
def test_every_token_comes_back_where_the_table_says(
    rows: list[list[int]], capacity: int, rule: str
) -> None:
    given = pa.table(
        {
            "input_ids": pa.array(rows, pa.list_(pa.int64())),
            "labels": pa.array(rows, pa.list_(pa.int64())),
        }
    )
    packed, over_long = _core.TablePacker(capacity, rule).pack(given)
    seen = []
    for row in pa.table(packed).to_pylist():
        assert len(row["input_ids"]) == sum(row["seq_lengths"]) <= capacity
        for source, start, length in zip(
            row["rows"], row["sequence_starts"], row["seq_lengths"], strict=True
        ):
            seen.append(source)
            assert row["input_ids"][start : start + length] == rows[source][:capacity]
            labels = row["labels"][start : start + length]
            whole = len(rows[source]) <= capacity
            assert labels == ([-100, *rows[source][1:]] if whole else [-100] * capacity)
    left_out = over_long.tolist() if rule == "drop" else []
    assert sorted(seen + left_out) == list(range(len(rows)))
    assert over_long.tolist() == [i for i, row in enumerate(rows) if len(row) > capacity]
