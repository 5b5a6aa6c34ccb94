"""What a file says, packed by gzip or Zstandard or as it is: some bytes at a time, in bounded memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from dalign import _core
from dalign.errors import InputError

BLOCK_BYTES = 1 << 20
PACKED = (".gz", ".zst")
_GZIP = b"\x1f\x8b"
# Of a frame, and of one to be passed over, whose first byte ends in any of sixteen digits.
_ZSTD, _SKIPPED = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
# Text packs to a tenth or a twentieth. What unpacks to more than this is no data, beyond so many bytes.
MOST_TIMES, FREE_BYTES = 200, 1 << 30


class _Source(Protocol):
    def read(self, most: int, /) -> bytes: ...


def packing(path: Path) -> str:
    """How a file is packed, as its first bytes say: `.gz`, `.zst`, or empty.

    Raises InputError where its name says otherwise, and OSError where it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4)
    found = ""
    if head.startswith(_GZIP):
        found = ".gz"
    elif head == _ZSTD or (head[1:] == _SKIPPED and 0x50 <= head[0] < 0x60):
        found = ".zst"
    if not found and path.suffix.lower() in PACKED:
        what = f"is not packed as its name says ({head!r} at its start); name it as what it is"
        raise InputError.in_file(path, what, kind="wrong_form")
    return found


def blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked, some at a time.

    Raises InputError where it is cut off, damaged, or unpacks to what no file of rows is.
    """
    packed = packing(path)
    most = max(FREE_BYTES, MOST_TIMES * path.stat().st_size)
    done = 0
    with path.open("rb") as file:
        sources: dict[str, _Source] = {"": file}
        if packed == ".gz":
            sources[packed] = gzip.GzipFile(fileobj=io.BufferedReader(file))
        elif packed:
            sources[packed] = _core.ZstdReader(path)
        while block := _read(sources[packed], path, packed, done):
            done += len(block)
            if packed and done > most:
                what = f"unpacks to more than {MOST_TIMES} times its size; unpack it by hand if that is meant"
                raise InputError.in_file(path, what, kind="out_of_range")
            yield block


def _read(source: _Source, path: Path, packed: str, done: int) -> bytes:
    """The next bytes. EOFError, zlib.error and OSError are what the unpackers say of a damaged file."""
    try:
        return source.read(BLOCK_BYTES)
    except (EOFError, zlib.error, OSError) as error:
        reason = str(error).split("\n")[0]
        what = f"cannot be read beyond {done:,} bytes ({reason}); copy it again"
        if packed:
            what = f"cut off or damaged after {done:,} unpacked bytes ({reason}); copy or pack it again"
        raise InputError.in_file(path, what, kind="damaged_file") from error
