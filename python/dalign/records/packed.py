"""A packed row of a run, token by token: what SFT reads, and what it trains on."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dalign.errors import InputError
from dalign.records.record import Record
from dalign.rows import IGNORED
from dalign.store.parts import Table
from dalign.text import one_line, short

PACK = "pack/main"


@dataclass(frozen=True)
class PackedRow:
    """A packed row. number: from 0, over all parts.

    tokens: a row a token; columns index (from 0), token (its id), sequence (from 0; a new one begins where positions do),
    row (the id of the sequence's training row), position (in its sequence), weight (1: trained on, 0: not).
    """

    number: int
    tokens: pl.DataFrame


def packed_row(record: Record, name: str) -> PackedRow:
    """The packed row of that number, or else the one that holds the training row of that id, or whose id starts so.

    Raises InputError where there is none or several, and UnfinishedError where pack has not run.
    """
    held = record.stage(PACK).made()
    count = held.height()
    if name.isascii() and name.isdecimal() and int(name) < count:
        return _read(held, int(name))
    found = _holding(held, pl.element() == name) or _holding(
        held, pl.element().str.starts_with(name)
    )
    shown = one_line(short(repr(name)))
    if not found:
        there = (
            f"there are {count} packed rows, 0 to {count - 1}" if count else "nothing was packed"
        )
        said = f"{record.run.path}: no packed row is {shown}, or holds a training row whose id starts so; {there}"
        raise InputError(said, kind="no_row", value=name)
    if len(found) > 1:
        which = ", ".join(map(str, found[:3]))
        said = f"{shown} begins the ids of rows in {len(found)} packed rows (such as {which}); give more characters, or a number"
        raise InputError(said, kind="several_rows", value=name)
    return _read(held, found[0])


def _holding(held: Table, is_it: pl.Expr) -> list[int]:
    """The numbers of the packed rows that hold such a training row."""
    rows = held.scan().select("rows").with_row_index("number")
    return rows.filter(pl.col("rows").list.eval(is_it).list.any()).collect()["number"].to_list()


def _read(held: Table, number: int) -> PackedRow:
    row = held.slice(number, 1)
    columns = {name: row[name].explode() for name in ("input_ids", "labels", "position_ids")}
    begins = (columns["position_ids"] == 0).cast(pl.Int64)
    sequences = begins.cum_sum() - 1
    tokens = pl.DataFrame(
        {
            "index": range(len(sequences)),
            "token": columns["input_ids"],
            "sequence": sequences,
            "row": row["rows"].explode().gather(sequences),
            "position": columns["position_ids"],
            "weight": (columns["labels"] != IGNORED).cast(pl.Int64),
        }
    )
    return PackedRow(number, tokens)
