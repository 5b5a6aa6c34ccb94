"""Sequence lengths, and token ids of such lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

CAPACITY = 4096
VOCABULARY = 131_072


def lengths(n: int, seed: int, longest: int = CAPACITY) -> npt.NDArray[np.int32]:
    """Lengths of chat rows in tokens: log-normal with a median of 490, from 16 to `longest`."""
    drawn = np.random.default_rng([seed, 1]).lognormal(6.2, 0.9, n)
    return np.clip(drawn, 16, longest).astype(np.int32)


def write_token_rows(path: Path, n: int, seed: int, rows_a_batch: int = 20_000) -> None:
    """An Arrow file with one column `input_ids` (large lists of int32), in one chunk."""
    import pyarrow as pa

    sizes = lengths(n, seed)
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    values = np.empty(int(offsets[-1]), np.int32)
    source = np.random.default_rng([seed, 2])
    for start in range(0, n, rows_a_batch):
        part = slice(offsets[start], offsets[min(start + rows_a_batch, n)])
        values[part] = source.integers(0, VOCABULARY, part.stop - part.start, dtype=np.int32)
    column = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values))
    table = pa.table({"input_ids": column})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
