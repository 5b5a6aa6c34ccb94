"""Which rows share a bin: best fit, longest rows first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from peers.generate.sequences import CAPACITY, lengths
from peers.protocol import OURS, Agreement, Comparison, Peer, Target, Work


def write_inputs(folder: Path, n: int, seed: int) -> None:
    np.save(folder / "lengths.npy", lengths(n, seed))


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """Row order and bin offsets."""
    from dalign import _core

    sizes = np.load(inputs / "lengths.npy")

    def save(plan: Any) -> None:
        np.save(out / "row_order.npy", plan[0])
        np.save(out / "bin_offsets.npy", plan[1])

    return Work(lambda: _core.pack_plan(sizes, CAPACITY), save)


def trl(inputs: Path, out: Path, _seed: int) -> Work:
    """What TRL calls a plan sorts, plans and gathers in one function."""
    import pyarrow as pa
    from trl.data_utils import _pack_bfd

    sizes = np.load(inputs / "lengths.npy")
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    values = pa.array(np.zeros(int(offsets[-1]), np.int32))
    table = pa.table({"input_ids": pa.LargeListArray.from_arrays(pa.array(offsets), values)})

    def save(packed: pa.Table) -> None:
        (out / "bins.json").write_text(json.dumps(packed.num_rows))

    return Work(lambda: _pack_bfd(table, CAPACITY), save)


def agree(inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """Every row once, no bin over the capacity, and no more bins than the peer opened."""
    sizes = np.load(inputs / "lengths.npy").astype(np.int64)
    order = np.load(ours / "row_order.npy")
    starts = np.load(ours / "bin_offsets.npy").astype(np.int64)
    every_row = np.array_equal(np.sort(order), np.arange(len(sizes)))
    fullest = int(np.add.reduceat(sizes[order], starts[:-1]).max()) if every_row else -1
    bins = len(starts) - 1
    least = -(-int(sizes.sum()) // CAPACITY)
    valid = every_row and 0 < fullest <= CAPACITY
    note = f"every row once: {every_row}; fullest bin {fullest} of {CAPACITY}; {bins} bins"
    if not theirs:
        # Best fit decreasing is proven to need at most 11/9 of the least number, and 6/9 of a bin.
        return Agreement(valid and 9 * bins <= 11 * least + 6, f"{note}, at least {least} needed")
    other = json.loads((theirs[0] / "bins.json").read_text())
    return Agreement(valid and bins <= other, f"{note}, the peer {other}")


COMPARISONS = (
    Comparison(
        path="pack-plan",
        n=100_000,
        unit="sequences",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(Peer("trl _pack_bfd", "trl", OURS, 500, trl),),
        agree=agree,
        target=Target(goal=5, n=10_000_000),
    ),
)
