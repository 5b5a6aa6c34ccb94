"""Token ids of many texts in one buffer: by the Rust core where it takes the model's file, else by the file's own package.

Which of the two is decided once, when the file is read; `note` says which, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign import _core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Encoded = tuple[NDArray[np.uint32], NDArray[np.uint64]]

# Texts to a list of ids each, without special tokens: for a model that has no tokenizer.json.
OwnEncode = Callable[[list[str]], Sequence[Sequence[int]]]


class FlatTokenizer:
    """Texts to ids and offsets, equal to those of the package `tokenizers` on every text.

    Text i has `ids[offsets[i] : offsets[i + 1]]`. Nothing is added: no begin or end token.
    """

    def __init__(self, path: Path, own: OwnEncode) -> None:
        """path: the model's `tokenizer.json`. own: what tokenises where there is no such file."""
        self._path, self._own = path, own
        self._core: _core.Tokenizer | None = None
        try:
            self._core = _core.Tokenizer.from_file(path)
        except _core.CoreError as error:
            self._slow = self._own if error.kind == "unreadable_tokenizer" else self._by_package
            by = "the model's own code" if self._slow is self._own else "the package tokenizers"
            self.note = f"{path} is tokenised by {by}: {error}"
        else:
            self._slow = self._by_package
            mended = f"; {self._core.note}" if self._core.note else ""
            self.note = f"{path} is tokenised by the Rust core{mended}"

    def __call__(self, texts: Sequence[str]) -> Encoded:
        """The ids of all texts in one buffer, and where each text's begin and end (one more than texts)."""
        if self._core is None:
            return _flat(self._slow(list(texts)))
        column = pl.Series(list(texts), dtype=pl.String)
        encoded = self._core.encode(column)
        # Characters that the package's tables of Unicode lack: rare, and its own ids hold there.
        rows = _core.unsettled_rows(column).tolist()
        return _replaced(encoded, rows, self._slow([texts[i] for i in rows])) if rows else encoded

    def _by_package(self, texts: list[str]) -> list[list[int]]:
        encoded = self._reference.encode_batch_fast(texts, add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    @cached_property
    def _reference(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def _flat(rows: Sequence[Sequence[int]]) -> Encoded:
    """Lists of ids as one buffer."""
    import numpy as np

    offsets = np.cumsum([0, *map(len, rows)], dtype=np.uint64)
    return np.fromiter(chain.from_iterable(rows), np.uint32, count=int(offsets[-1])), offsets


def _replaced(encoded: Encoded, rows: Sequence[int], ids: Sequence[Sequence[int]]) -> Encoded:
    """The same ids, but for these rows; rows: rising."""
    import numpy as np

    old, offsets = encoded
    lengths = np.diff(offsets)
    pieces, kept = [], 0
    for row, found in zip(rows, ids, strict=True):
        pieces += [old[kept : offsets[row]], np.array(found, np.uint32)]
        kept, lengths[row] = offsets[row + 1], len(found)
    start = np.zeros(1, np.uint64)
    return np.concatenate([*pieces, old[kept:]]), np.concatenate([start, np.cumsum(lengths)])
