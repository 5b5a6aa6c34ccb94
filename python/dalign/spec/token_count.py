"""Counts tokens: by a tokenizer's file, or by bytes where none is named; what is printed says which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dalign.errors import InputError, from_core

BYTES_A_TOKEN = 4


@dataclass(frozen=True)
class TokenCount:
    """Tokens of a text. `note` says how they are counted."""

    count: Callable[[str], int]
    note: str

    def __call__(self, text: str) -> int:
        """How many."""
        return self.count(text)


def by_bytes(text: str) -> int:
    """ceil(bytes / 4): what English takes in most vocabularies, or a little less."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def token_count(tokenizer: Path | None) -> TokenCount:
    """The count by a `tokenizer.json` or the checkpoint folder that has one; by bytes without one."""
    if tokenizer is None:
        note = f"tokens are ceil(bytes / {BYTES_A_TOKEN}): no tokenizer was named"
        return TokenCount(by_bytes, note)
    path = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    if not path.is_file():
        what = "no such file; name a tokenizer.json, or a folder that has one"
        raise InputError.in_file(path, what, kind="missing_file")
    return TokenCount(_encoder(path), f"tokens are those of {path}")


def _encoder(path: Path) -> Callable[[str], int]:
    import polars as pl

    from dalign import _core

    try:
        core = _core.Tokenizer.from_file(path)
    except _core.CoreError as error:
        try:
            from tokenizers import Tokenizer

            package = Tokenizer.from_file(str(path))
        except ImportError:
            what = f"{path}: {error}; the package tokenizers can read more: pip install 'dalign[train]'"
            raise from_core(error, what, path=path) from error
        except Exception as reason:
            what = f"not a tokenizer ({reason}); name a tokenizer.json"
            raise InputError.in_file(path, what, kind="unreadable_tokenizer") from reason
        return lambda text: len(package.encode(text, add_special_tokens=False).ids)
    return lambda text: len(core.encode(pl.Series([text]))[0])
