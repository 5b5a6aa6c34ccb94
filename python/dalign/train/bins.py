"""Packed rows in flat arrays, checked before anything is trained on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.rows import IGNORED
from dalign.store.parts import read_part

COLUMNS = ("input_ids", "labels", "position_ids")
# The training rows that a packed row holds, by their ids.
ROWS = "rows"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bins:
    """Packed rows, end to end: row b is `[offsets[b]:offsets[b + 1]]` of each array.

    held: the trained tokens of rows on which the model is held to its start; None where it is held on none.
    """

    input_ids: Ints
    labels: Ints
    position_ids: Ints
    offsets: Ints
    held: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """The number of packed rows."""
        return len(self.offsets) - 1

    def digest(self) -> str:
        """A hash of the rows' content."""
        arrays = [self.input_ids, self.labels, self.position_ids, self.offsets]
        arrays += [] if self.held is None else [self.held.astype(np.int64)]
        return _core.row_id([_core.digest(array.tobytes()) for array in arrays], "bins", 0)


def load_bins(parts: Sequence[Path], benign: Collection[str] = ()) -> Bins:
    """The rows of Parquet files, as flat arrays.

    benign: ids of the training rows on which the model is held to its start (column `rows`, those of a packed row).
    Raises InputError if columns are missing or their lists differ in length, or if there is no row.
    """
    columns = (*COLUMNS, *((ROWS,) if benign else ()))
    frames = [_load_part(part, columns) for part in parts]
    if not any(frame.height for frame in frames):
        said = f"{', '.join(map(str, parts))}: holds no row to train on: no example was selected; lower select.threshold, give generate.max_new_tokens more, or name a better judge, as the reasons of the dropped rows say"
        raise InputError(said, kind="empty")
    frame = pl.concat(frames)
    arrays = {name: frame[name].explode().to_numpy(writable=True) for name in COLUMNS}
    lengths = frame["input_ids"].list.len().cast(pl.Int64)
    held = _held(arrays, frame[ROWS].explode(), benign) if benign else None
    return Bins(**arrays, offsets=np.append(0, lengths.cum_sum()), held=held)


def _held(
    arrays: dict[str, Ints], rows: pl.Series, benign: Collection[str]
) -> npt.NDArray[np.bool_]:
    """The trained tokens of the sequences that are these rows'. rows: of each sequence."""
    starts = arrays["position_ids"] == 0
    if int(starts.sum()) != len(rows):
        said = f"packed rows name {len(rows)} training rows and hold {int(starts.sum())} sequences; pack the examples again"
        raise InputError(said, kind="unequal_lengths")
    is_benign = rows.is_in(list(benign)).to_numpy()
    found: npt.NDArray[np.bool_] = is_benign[starts.cumsum() - 1] & (arrays["labels"] != IGNORED)
    if not found.any():
        said = "no packed row holds a token of a capability row, on which sft.kl_weight holds the model to its start; raise sft.capability_ratio, or leave it out"
        raise InputError(said, kind="empty", key="sft.kl_weight")
    return found


def _load_part(part: Path, columns: Sequence[str]) -> pl.DataFrame:
    frame = read_part(part)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        said = f"has no column {missing[0]}; pack the examples again"
        raise InputError.in_file(part, said, kind="missing_field")
    frame = frame.select(pl.col(COLUMNS).cast(pl.List(pl.Int64)), *columns[len(COLUMNS) :])
    lengths = frame.select(pl.col(COLUMNS).list.len())
    for name in COLUMNS[1:]:
        wrong = (lengths[name] != lengths["input_ids"]).arg_true()
        if len(wrong):
            row = wrong[0]
            said = f"row {row} has {lengths[name][row]} {name} for {lengths['input_ids'][row]} input_ids; pack the examples again"
            raise InputError.in_file(part, said, kind="bad_row")
    return frame


def check_bins(bins: Bins, end_tokens: Sequence[int]) -> None:
    """Checks that every sequence can be trained on alone and learns where to stop.

    Raises InputError naming the first row whose positions do not restart with its sequences, whose first token of a sequence
    carries loss (another sequence would predict it), or that trains on no end token. A sequence that alone fills a row and
    carries no loss at all was masked for its length, and passes; rows that all do teach nothing, and do not.
    """
    is_first, trains = bins.position_ids == 0, bins.labels != IGNORED
    starts_row = np.zeros_like(is_first)
    starts_row[bins.offsets[:-1]] = True
    follows = np.append(False, np.diff(bins.position_ids) == 1)
    _refuse(
        bins,
        ~is_first & (~follows | starts_row),
        "a position that is neither 0 nor one more than the one before; pack the examples again",
    )
    what = "a sequence whose first token carries loss; pack the examples again"
    _refuse(bins, is_first & trains, what)
    if not trains.any():
        said = "no packed row carries loss: raise pack.capacity, every row was masked"
        raise InputError(said, kind="empty")
    starts = np.flatnonzero(is_first)
    ends = np.add.reduceat(np.isin(bins.labels, end_tokens), starts)
    is_alone = starts_row[starts] & np.append(starts_row[starts[1:]], True)
    is_masked = is_alone & (np.add.reduceat(trains, starts) == 0)
    endless = np.zeros_like(is_first)
    endless[starts[(ends == 0) & ~is_masked]] = True
    _refuse(
        bins,
        endless,
        f"a sequence whose trained tokens hold no end token ({sorted(end_tokens)}); the model "
        "would never learn to stop",
    )


def _refuse(bins: Bins, bad: npt.NDArray[np.bool_], what: str) -> None:
    if bad.any():
        token = bad.argmax()
        row = int(np.searchsorted(bins.offsets, token, side="right")) - 1
        said = f"packed row {row}, token {token - bins.offsets[row]}: {what}"
        raise InputError(said, kind="bad_row")
