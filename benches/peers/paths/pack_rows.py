"""Arrow rows of token ids in, packed Arrow rows out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from peers.generate.sequences import CAPACITY, lengths, write_token_rows
from peers.protocol import OURS, Agreement, Comparison, Peer, Work

FILE = "rows.arrow"


def write_inputs(folder: Path, n: int, seed: int) -> None:
    write_token_rows(folder / FILE, n, seed)
    np.save(folder / "lengths.npy", lengths(n, seed))


def table_of(path: Path) -> Any:
    """The table, in memory of this process and in one chunk."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()


def save_packed(out: Path, ids: Any, sequence_lengths: Any, bin_offsets: Any) -> None:
    """Flat ids, the length of each sequence in them, and where bins start, as numpy files."""
    np.save(out / "ids.npy", np.asarray(ids))
    np.save(out / "sequence_lengths.npy", np.asarray(sequence_lengths))
    np.save(out / "bin_offsets.npy", np.asarray(bin_offsets))


def save_trl(out: Path, packed: Any) -> None:
    """The packed columns of TRL, chunk after chunk."""
    ids, sizes = packed["input_ids"].combine_chunks(), packed["seq_lengths"].combine_chunks()
    save_packed(
        out, ids.flatten(), sizes.flatten(), np.asarray(ids.offsets) - ids.offsets[0].as_py()
    )


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """Bins with their ids, and the length, start and input row of each sequence of a bin.

    The packer takes the memory of the last table for the next one, as `dalign data pack` does.
    """
    import pyarrow as pa
    from dalign import _core

    rows = table_of(inputs / FILE)
    packer = _core.TablePacker(CAPACITY, "error")

    def save(packed: Any) -> None:
        table = pa.table(packed[0]).combine_chunks()
        ids = table["input_ids"].combine_chunks()
        save_packed(
            out, ids.flatten(), table["seq_lengths"].combine_chunks().flatten(), ids.offsets
        )

    return Work(lambda: packer.pack(rows), save)


def trl_by_thousands(inputs: Path, out: Path, _seed: int) -> Work:
    """pack_dataset as it is called by default: map batches of 1,000 rows."""
    return trl_dataset(inputs, out, {"keep_in_memory": True})


def trl_whole(inputs: Path, out: Path, _seed: int) -> Work:
    """pack_dataset with all rows in one batch."""
    return trl_dataset(inputs, out, {"keep_in_memory": True, "batch_size": -1})


def trl_dataset(inputs: Path, out: Path, map_options: dict[str, Any]) -> Work:
    from datasets import Dataset, disable_caching, disable_progress_bars
    from trl.data_utils import pack_dataset

    disable_caching()
    disable_progress_bars()
    rows = Dataset(table_of(inputs / FILE))
    return Work(
        lambda: pack_dataset(rows, CAPACITY, "bfd", map_options),
        lambda packed: save_trl(out, packed.with_format("arrow")[:]),
    )


def digests(ids: Any, sizes: Any) -> set[bytes]:
    """A hash of each sequence of a flat buffer."""
    ends = np.cumsum(sizes.astype(np.int64))
    flat = np.ascontiguousarray(ids.astype(np.int32, copy=False))
    view = memoryview(flat).cast("B")
    begins = ends - sizes
    return {
        hashlib.blake2b(view[4 * begin : 4 * end], digest_size=16).digest()
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    }


def agree(inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """Every row once and unchanged on both sides, no bin over the capacity, no more bins."""
    column = table_of(inputs / FILE)["input_ids"].combine_chunks()
    sizes = np.load(inputs / "lengths.npy")
    rows = digests(np.asarray(column.flatten()), sizes)
    if len(rows) != len(sizes):
        raise ValueError("two rows of the input are equal; draw it with another seed")
    intact, bins, fullest = [], [], []
    for folder in (ours, theirs[0]):
        starts = np.load(folder / "bin_offsets.npy").astype(np.int64)
        packed_sizes = np.load(folder / "sequence_lengths.npy")
        found = digests(np.load(folder / "ids.npy", mmap_mode="r"), packed_sizes)
        intact.append(len(packed_sizes) == len(rows) and found == rows)
        bins.append(len(starts) - 1)
        fullest.append(int(np.diff(starts).max()))
    note = (
        f"every row once and unchanged: {intact[0]}, the peer {intact[1]}; {bins[0]} bins, the peer {bins[1]};"
        f" fullest {fullest[0]} of {CAPACITY}, the peer {fullest[1]}"
    )
    return Agreement(all(intact) and bins[0] <= bins[1] and fullest[0] <= CAPACITY, note)


def peak_goal_mib(inputs: Path) -> float:
    """2.2 times the bytes of the tokens."""
    return 2.2 * 4 * float(np.load(inputs / "lengths.npy").sum(dtype=np.int64)) / (1 << 20)


COMPARISONS = (
    Comparison(
        path="pack-rows",
        n=100_000,
        unit="sequences",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(
            Peer("trl pack_dataset, batches of 1,000", "trl", OURS, 60, trl_by_thousands),
            Peer("trl pack_dataset, one batch", "trl", OURS, 60, trl_whole),
        ),
        agree=agree,
        peak_goal_mib=peak_goal_mib,
        modules=("numpy", "pyarrow", "dalign._core"),
    ),
)
