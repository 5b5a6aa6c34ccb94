"""Opens a tokenizer: token ids of many texts in one buffer, and counts of them.

The Rust core encodes where it takes the file, else the package `tokenizers`, else the checkpoint's
own code. Which of them does is decided once, when the file is read; `note` says which, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign import _core
from dalign.errors import InputError, MissingExtraError, no_file
from dalign.models.checkpoint import has_tokenizer, ids_of, own_tokenizer, require
from dalign.panics import held_panics
from dalign.parsing import json_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # Ids of all texts, and where each text's begin and end (one more than texts).
    Encoded = tuple[NDArray[np.uint32], NDArray[np.uint64]]

WAY_OUT = "name a tokenizer.json, or a folder that has one"
Texts = Sequence[str] | pl.Series


class Tokenizer:
    """Texts to ids, equal to those of the package `tokenizers` on every text.

    Nothing is added: no begin or end token. `note`: what encodes, and why.
    """

    def __init__(
        self,
        core: _core.Tokenizer | None,
        slow: Callable[[list[str]], Sequence[Sequence[int]]],
        note: str,
    ) -> None:
        """slow: texts to a list of ids each; encodes what the core does not."""
        self._core, self._slow, self.note = core, slow, note

    def encode(self, texts: Texts) -> Encoded:
        """The ids of all texts in one buffer, and where each text's begin and end.

        Text i has `ids[offsets[i] : offsets[i + 1]]`. Raises MissingExtraError for a text with a
        character of a newer Unicode where the package `tokenizers`, which knows it, is not installed.
        """
        if self._core is None:
            return _flat(self._slow(list(texts)))
        column = texts if isinstance(texts, pl.Series) else pl.Series(texts, dtype=pl.String)
        encoded = self._core.encode(column)
        # Characters that the package's tables of Unicode lack: rare, and its own ids hold there.
        rows = _core.unsettled_rows(column).tolist()
        return (
            replaced(encoded, rows, _flat(self._slow([column[i] for i in rows])))
            if rows
            else encoded
        )

    def count(self, texts: Texts) -> pl.Series:
        """How many tokens each text has."""
        _, offsets = self.encode(texts)
        return pl.Series(offsets[1:] - offsets[:-1])


def open_tokenizer(path: Path, trust_remote_code: bool = False) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, or of the checkpoint folder that has one or another kind of file.

    trust_remote_code: whether code that comes with the checkpoint may run. Raises InputError where
    there is no tokenizer, or none of the three ways reads it.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        if has_tokenizer(path):
            return _by_own_code(path, trust_remote_code, "it has no tokenizer.json")
        raise InputError.in_file(file, f"{no_file(file)}; {WAY_OUT}", kind="missing_file")
    try:
        core = _core.Tokenizer.from_file(file)
    except _core.CoreError as error:
        refused = error
    else:
        mended = f"; {core.note}" if core.note else ""
        return Tokenizer(core, _Package(file), f"{file} is tokenised by the Rust core{mended}")
    package = _Package(file)
    try:
        _ = package.loaded
    except InputError:
        if not path.is_dir():
            raise
        return _by_own_code(path, trust_remote_code, str(refused))
    except MissingExtraError as missing:
        raise missing.worded(f"{refused}; {missing}") from refused
    return Tokenizer(None, package, f"{file} is tokenised by the package tokenizers: {refused}")


def added_tokens(path: Path) -> tuple[str, ...]:
    """The texts of the tokens that a tokenizer.json adds to its model's; those of a folder's, nothing without one."""
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        added = json_value(file.read_text(encoding="utf-8"))["added_tokens"]
        return tuple(token["content"] for token in added if token["content"].strip())
    except (OSError, ValueError, KeyError, TypeError):
        # What is wrong with a file is said where it is opened.
        return ()


def _by_own_code(folder: Path, trust_remote_code: bool, why: str) -> Tokenizer:
    encode = partial(ids_of, own_tokenizer(folder, trust_remote_code))
    return Tokenizer(None, encode, f"{folder} is tokenised by the model's own code: {why}")


class _Package:
    """The package `tokenizers` on a file, loaded where it is first needed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, texts: list[str]) -> list[list[int]]:
        loaded = self.loaded
        try:
            with held_panics():
                encoded = loaded.encode_batch_fast(texts, add_special_tokens=False)
        except Exception as error:
            # The package finds some faults of a file where a word meets them.
            said = f"cannot tokenise every text ({error}); {WAY_OUT}"
            raise InputError.in_file(self._file, said, kind="unfit_model") from error
        return [encoding.ids for encoding in encoded]

    @cached_property
    def loaded(self) -> Any:
        """Raises InputError where the package cannot read the file, MissingExtraError without it."""
        package = require("tokenizers", self._file)
        try:
            with held_panics():
                loaded = package.Tokenizer.from_file(str(self._file))
        except Exception as error:
            said = f"not a tokenizer ({error}); {WAY_OUT}"
            raise InputError.in_file(self._file, said, kind="unreadable_file") from error
        loaded.no_truncation()
        loaded.no_padding()
        return loaded


def _flat(rows: Sequence[Sequence[int]]) -> Encoded:
    """Lists of ids as one buffer."""
    import numpy as np

    offsets = np.cumsum([0, *map(len, rows)], dtype=np.uint64)
    return np.fromiter(chain.from_iterable(rows), np.uint32, count=int(offsets[-1])), offsets


def replaced(encoded: Encoded, rows: Sequence[int] | NDArray[np.int64], found: Encoded) -> Encoded:
    """The ids of the same texts, those of these rows, which rise, as they were found."""
    import numpy as np

    ids, offsets = encoded
    lengths = np.diff(offsets).astype(np.int64)
    is_row = np.zeros(len(lengths), bool)
    is_row[rows] = True
    kept = np.concatenate([[0], np.cumsum(lengths[~is_row])]).astype(np.uint64)
    return merged((ids[np.repeat(~is_row, lengths)], kept), found, is_row)


def merged(some: Encoded, others: Encoded, is_other: NDArray[np.bool_]) -> Encoded:
    """The ids of both kinds of texts, in order: `is_other` tells whose each place is."""
    import numpy as np

    lengths = np.empty(len(is_other), np.int64)
    lengths[~is_other], lengths[is_other] = np.diff(some[1]), np.diff(others[1])
    ids = np.empty(int(lengths.sum()), np.uint32)
    of_others = np.repeat(is_other, lengths)
    ids[~of_others], ids[of_others] = some[0], others[0]
    return ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
