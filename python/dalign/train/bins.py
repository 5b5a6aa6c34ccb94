"""Packed rows in flat arrays, checked before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.rows import IGNORED

COLUMNS = ("input_ids", "labels", "position_ids")
PARTS = "part-*.parquet"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bins:
    """Packed rows, end to end: row b is `[offsets[b]:offsets[b + 1]]` of each array."""

    input_ids: Ints
    labels: Ints
    position_ids: Ints
    offsets: Ints

    def __len__(self) -> int:
        """The number of packed rows."""
        return len(self.offsets) - 1

    def digest(self) -> str:
        """A hash of the rows' content."""
        arrays = (self.input_ids, self.labels, self.position_ids, self.offsets)
        return _core.row_id([_core.digest(array.tobytes()) for array in arrays], "bins", 0)


def part_files(rows: Path | Sequence[Path]) -> list[Path]:
    """The Parquet files of packed rows: those given, or a folder's `part-*.parquet`, in order.

    Raises InputError where there is none.
    """
    if isinstance(rows, Path):
        parts = sorted(rows.glob(PARTS)) if rows.is_dir() else [rows]
    else:
        parts = list(rows)
    if not parts:
        raise InputError(f"{rows}: holds no {PARTS}; pack some examples first")
    return parts


def load_bins(rows: Path | Sequence[Path]) -> Bins:
    """The rows of one or several Parquet files (see `part_files`), as flat arrays.

    Raises InputError if columns are missing or their lists differ in length, or if there is no row.
    """
    parts = [_load_part(part) for part in part_files(rows)]
    arrays = [np.concatenate([of_part[i] for of_part in parts]) for i in range(len(COLUMNS))]
    lengths = np.concatenate([of_part[-1] for of_part in parts])
    if len(lengths) == 0:
        where = rows if isinstance(rows, Path) else ", ".join(map(str, rows))
        raise InputError(f"{where}: holds no row; select some examples first")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Bins(arrays[0], arrays[1], arrays[2], offsets)


def _load_part(part: Path) -> tuple[Ints, Ints, Ints, Ints]:
    """A file's columns, end to end, and the length of each of its rows."""
    frame = pl.read_parquet(part)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"{part}: has no column {missing[0]}; pack the examples again")
    lengths = [frame[name].list.len().to_numpy().astype(np.int64) for name in COLUMNS]
    for name, found in zip(COLUMNS[1:], lengths[1:], strict=True):
        wrong = np.flatnonzero(found != lengths[0])
        if len(wrong):
            raise InputError(
                f"{part}: row {wrong[0]} has {found[wrong[0]]} {name} for "
                f"{lengths[0][wrong[0]]} input_ids; pack the examples again"
            )
    ids, labels, positions = (frame[name].explode().to_numpy().astype(np.int64) for name in COLUMNS)
    return ids, labels, positions, lengths[0]


def check_bins(bins: Bins, end_tokens: AbstractSet[int]) -> None:
    """Checks that every sequence can be trained on alone and learns where to stop.

    Raises InputError naming the first row whose positions do not restart with its sequences, whose
    first token of a sequence carries loss (another sequence would predict it), or that trains on no
    end token. A sequence that alone fills a row and carries no loss at all was masked for its length,
    and passes; rows that all do teach nothing, and do not.
    """
    starts_row = np.zeros(len(bins.input_ids), dtype=bool)
    starts_row[bins.offsets[:-1]] = True
    follows = np.zeros(len(bins.input_ids), dtype=bool)
    follows[1:] = bins.position_ids[1:] == bins.position_ids[:-1] + 1
    bad = (bins.position_ids != 0) & (~follows | starts_row)
    _refuse(
        bins,
        bad,
        "a position that is neither 0 nor one more than the one before; pack the examples again",
    )
    first = bins.position_ids == 0
    _refuse(
        bins,
        first & (bins.labels != IGNORED),
        "a sequence whose first token carries loss; pack the examples again",
    )
    starts = np.flatnonzero(first)
    ends = np.isin(bins.labels, np.fromiter(end_tokens, dtype=np.int64))
    if not ends.any() and not (bins.labels != IGNORED).any():
        raise InputError("no packed row carries loss: raise pack.capacity, every row was masked")
    loss = np.add.reduceat(bins.labels != IGNORED, starts)
    alone = starts_row[starts] & np.append(starts_row[starts[1:]], True)
    is_masked = alone & (loss == 0)
    without = starts[(np.add.reduceat(ends, starts) == 0) & ~is_masked]
    if len(without):
        mask = np.zeros_like(first)
        mask[without] = True
        _refuse(
            bins,
            mask,
            f"a sequence whose trained tokens hold no end token ({sorted(end_tokens)}); the model "
            "would never learn to stop",
        )


def _refuse(bins: Bins, bad: npt.NDArray[np.bool_], what: str) -> None:
    tokens = np.flatnonzero(bad)
    if len(tokens):
        row = int(np.searchsorted(bins.offsets, tokens[0], side="right")) - 1
        raise InputError(f"packed row {row}, token {tokens[0] - bins.offsets[row]}: {what}")
