"""The tokenizer that a file's texts are counted with."""

from __future__ import annotations

from pathlib import Path

from dalign import _core
from dalign.errors import InputError
from dalign.files.refusals import refusals


def open_tokenizer(path: Path) -> _core.Tokenizer:
    """The tokenizer of a `tokenizer.json` or of the checkpoint folder that holds one."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file}: no such file; name a tokenizer.json or a folder that has one")
    with refusals(way_out="name a Hugging Face tokenizer.json"):
        return _core.Tokenizer.from_file(file)
