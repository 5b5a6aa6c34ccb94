"""Which checkpoint a folder holds: a hash of its files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dalign.errors import InputError
from dalign.models.checkpoint import PROBLEMS, TOKENIZER_FILES

# Files that determine replies. Code counts because trust_remote_code may run it.
HASHED = ("config.json", "generation_config.json", "*.safetensors*", *TOKENIZER_FILES)
BLOCK_BYTES = 1 << 20
# Files up to this size are hashed whole.
WHOLE_BYTES = 16 * BLOCK_BYTES


def fingerprint(path: Path) -> str:
    """A sha256 over the folder's files that determine replies: names, sizes and contents.

    Of a file above 16 MiB, its size and three blocks of 1 MiB count (start, middle, end): reading
    all weights before every stage would take longer than many stages. A change that keeps the size
    and all three blocks goes unseen; training changes every weight. Raises InputError where there is no such file;
    whether they make a checkpoint, `checkpoint.check_checkpoint` tells.
    """
    files = sorted({file for name in HASHED for file in path.glob(name) if file.is_file()})
    if not files:
        kind = "missing_file" if path.is_dir() else "missing_folder"
        raise InputError.in_file(path, PROBLEMS[kind], kind=kind)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        digest.update(_content_hash(file))
    return digest.hexdigest()


def _content_hash(file: Path) -> bytes:
    size = file.stat().st_size
    with file.open("rb") as opened:
        if size <= WHOLE_BYTES:
            return hashlib.file_digest(opened, "sha256").digest()
        digest = hashlib.sha256()
        for start in (0, (size - BLOCK_BYTES) // 2, size - BLOCK_BYTES):
            opened.seek(start)
            digest.update(opened.read(BLOCK_BYTES))
        return digest.digest()
