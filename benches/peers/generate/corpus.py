"""English text and Python from the files of this machine: documentation, licences, sources."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ENDINGS = {".md", ".rst", ".txt", ".py", ".pyi"}
NAMES = ("license", "licence", "copying", "copyright", "readme", "changelog", "news", "metadata")
SHORTEST, LONGEST = 2_000, 16_000
# Files of another kind under such a name: tables of numbers, encoded data.
LEAST_LETTERS = 0.6


def roots() -> list[Path]:
    """Where such files lie on any machine that has Python."""
    places = sysconfig.get_paths()
    return [
        Path(root)
        for root in (
            "/usr/share/doc",
            "/usr/share/common-licenses",
            places["stdlib"],
            places["purelib"],
        )
    ]


def candidates() -> Iterator[Path]:
    """Files by their names, in an order that the file system does not decide."""
    for root in roots():
        for folder, inner, names in os.walk(root):
            inner.sort()
            for name in sorted(names):
                if Path(name).suffix in ENDINGS or name.lower().startswith(NAMES):
                    yield Path(folder, name)


def is_prose(text: str) -> bool:
    head = text[:20_000]
    letters = sum(1 for letter in head if letter == " " or (letter.isascii() and letter.isalpha()))
    return letters >= LEAST_LETTERS * len(head)


def cut(text: str) -> Iterator[str]:
    """Documents of two to sixteen thousand characters, cut at blank lines where there are any."""
    begin = 0
    while len(text) - begin >= SHORTEST:
        end = text.find("\n\n", begin + SHORTEST)
        end = len(text) if end < 0 else end + 2
        end = min(end, begin + LONGEST)
        yield text[begin:end]
        begin = end


def write_corpus(path: Path, megabytes: int, seed: int) -> None:
    """So many megabytes of distinct documents, in an order that the seed draws; fewer where the
    machine has fewer. The documents of a smaller corpus of the same seed begin a larger one."""
    seen: set[bytes] = set()
    # Sizes first: reading every file of a machine takes minutes.
    files = [
        file
        for file in candidates()
        if file.is_file() and not file.is_symlink() and file.stat().st_size >= SHORTEST
    ]
    random.Random(seed).shuffle(files)
    written, most = 0, megabytes * 1_000_000
    with path.open("w", encoding="utf-8") as out:
        for file in files:
            content = file.read_bytes()
            mark = hashlib.blake2b(content, digest_size=16).digest()
            if mark in seen:
                continue
            seen.add(mark)
            try:
                text = content.decode("utf-8")
            except UnicodeDecodeError:
                continue
            if not is_prose(text):
                continue
            for document in cut(text):
                out.write(json.dumps({"text": document}) + "\n")
                written += len(document.encode())
                if written >= most:
                    return
