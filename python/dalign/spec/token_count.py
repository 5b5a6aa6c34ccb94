"""Counts tokens: by a tokenizer's file, or by bytes where none is named; what is printed says which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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


def token_count(path: Path | None, trust_remote_code: bool = False) -> TokenCount:
    """The count by a `tokenizer.json` or the checkpoint folder that has one; by bytes without one.

    trust_remote_code: whether code that comes with the checkpoint may run.
    """
    if path is None:
        note = f"tokens are ceil(bytes / {BYTES_A_TOKEN}): no tokenizer was named"
        return TokenCount(by_bytes, note)
    # Here, as it loads polars, which a count by bytes does not need.
    from dalign.models.tokenizer import open_tokenizer

    tokenizer = open_tokenizer(path, trust_remote_code)
    file = path / "tokenizer.json"
    note = f"tokens are those of {file if file.is_file() else path}"
    return TokenCount(lambda text: int(tokenizer.count([text])[0]), note)
