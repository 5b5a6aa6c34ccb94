"""Seals: what the bytes of a folder's files must be, checked before anything is read of them.

A seal stands in a JSON file that seals itself: its last key is the hash of all before it, and its bytes
are those that dalign writes. A file's hash is computed once in a process, as long as the system says
that nobody wrote to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

from dalign.store.damage import damaged, read_object
from dalign.store.whole_files import PARTIAL, Json, file_digest, json_text, write_text
from dalign.text import storable

SHA256 = "sha256"
# Two writes within this time may leave a file with the same time.
_RACE_NS = 20_000_000


class Mark(TypedDict):
    """What a file must be."""

    bytes: int
    sha256: str


class Fault(NamedTuple):
    """A file that is not what its mark says. what: lost, cut, longer or changed."""

    path: Path
    what: str


class _Signature(NamedTuple):
    """What changes when a file does, but for the hand of the disk."""

    inode: int
    size: int
    written_ns: int
    touched_ns: int


_hashes: dict[Path, tuple[_Signature, str]] = {}
_objects: dict[Path, tuple[_Signature, dict[str, Json]]] = {}


def _signature(path: Path) -> _Signature:
    found = path.stat()
    return _Signature(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_settled(found: _Signature) -> bool:
    return time.time_ns() - max(found.written_ns, found.touched_ns) > _RACE_NS


def mark_of(path: Path) -> Mark:
    """A file's mark as it is now."""
    found = _signature(path)
    known = _hashes.get(path)
    if known is None or known[0] != found:
        known = (found, file_digest(path))
        if _is_settled(found):
            _hashes[path] = known
    return {"bytes": found.size, "sha256": known[1]}


def marks_of(folder: Path, paths: Iterable[Path]) -> dict[str, Mark]:
    """The marks of files by their names below a folder, sorted; left out are unfinished ones, and names that are no text."""
    named = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    kept = (n for n in sorted(named) if not n.endswith(PARTIAL) and storable(n) == n)
    return {n: mark_of(named[n]) for n in kept}


def fault_of(path: Path, mark: Mark) -> str:
    """What is wrong with a file; nothing where it is what the mark says."""
    if not path.is_file():
        return "lost"
    if what := size_fault(path.stat().st_size, mark["bytes"]):
        return what
    return "" if mark_of(path)["sha256"] == mark["sha256"] else "changed"


def size_fault(found: int, wanted: int) -> str:
    """What is wrong with a size in bytes; nothing where it is the wanted one."""
    kind = "cut" if found < wanted else "longer"
    return "" if found == wanted else f"{kind}: {found} bytes, not {wanted}"


# What is said of a file that the run never wrote or read.
ADDED = "added"


@dataclass(frozen=True)
class Seal:
    """The marks of a folder's files, by their names below it."""

    folder: Path
    marks: Mapping[str, Mark]

    def names(self, path: Path) -> bool:
        """Whether it says anything of a file."""
        return path.relative_to(self.folder).as_posix() in self.marks

    def below(self, path: Path) -> list[Path]:
        """The files that it names in a folder, in order."""
        found = (self.folder / name for name in self.marks)
        return sorted(each for each in found if path in each.parents)

    def check(self, path: Path) -> Path:
        """The path, once the file is found to be what it must be. Raises InputError."""
        name = path.relative_to(self.folder).as_posix()
        what = fault_of(path, self.marks[name]) if name in self.marks else "lost"
        if what:
            raise damaged(path, what)
        return path

    def changes(self) -> Iterator[Fault]:
        """Every file that is not what it must be."""
        for name, mark in self.marks.items():
            if what := fault_of(self.folder / name, mark):
                yield Fault(self.folder / name, what)

    def faults(self) -> Iterator[Fault]:
        """The same, and every file that was added to a folder of which it names files."""
        yield from self.changes()
        for top in sorted({name.partition("/")[0] for name in self.marks if "/" in name}):
            yield from self.added(self.folder / top)

    def added(self, folder: Path) -> Iterator[Fault]:
        """What lies in a folder of which it names the files: who reads the folder would take it for a part of it."""
        for path in files_below(folder):
            if not self.names(path):
                yield Fault(path, ADDED)


def sealed_text(value: Mapping[str, Json]) -> str:
    """The text of a JSON object that seals itself."""
    text = json_text(value)
    # As it reads back: keys of a mapping may be numbers.
    return json_text({**json.loads(text), SHA256: hashlib.sha256(text.encode()).hexdigest()})


def write_sealed(path: Path, value: Mapping[str, Json]) -> None:
    """Writes a JSON object that seals itself, whole or not at all."""
    write_text(path, sealed_text(value))


def read_sealed(path: Path) -> dict[str, Json]:
    """A JSON object that seals itself; not to be written to. Raises InputError where it is damaged, or has no seal."""
    known = _objects.get(path)
    if known is not None and path.is_file() and known[0] == _signature(path):
        return known[1]
    value = read_object(path)
    found = _signature(path)
    if SHA256 not in value:
        raise damaged(path, "no hash covers it: it is changed, or of an earlier dalign")
    sealed = {name: each for name, each in value.items() if name != SHA256}
    if sealed_text(sealed).encode() != path.read_bytes():
        raise damaged(path, "changed")
    if _is_settled(found):
        _objects[path] = (found, sealed)
    return sealed


def marks_in(path: Path, value: Mapping[str, Json], key: str = "files") -> dict[str, Mark]:
    """The marks that a sealed object holds. Raises InputError where it holds none, or one that could be no file's."""
    marks = value.get(key)
    if not isinstance(marks, dict):
        raise damaged(path, f"no {key} in it")
    check_names(path, marks)
    for name, mark in marks.items():
        kinds = (mark.get("bytes"), mark.get(SHA256)) if isinstance(mark, dict) else ()
        if [type(each) for each in kinds] != [int, str]:
            raise damaged(path, f"no mark of {name!r} in it")
    return marks


def check_names(path: Path, names: Iterable[str]) -> None:
    """Raises InputError where a name leads out of the folder that it is joined to: whoever made a file can seal it."""
    for name in names:
        parts = name.split("/")
        if not all(part not in ("", ".", "..") and "\0" not in part for part in parts):
            raise damaged(path, f"it names {name!r}, which is no file below the folder")


def files_below(folder: Path) -> Iterator[Path]:
    """All below a folder that is no folder to be listed, in order: files, pipes, links wherever they lead; closed folders last."""
    closed: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        folders.sort()
        # A link to a folder is listed as one, and not gone into.
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in sorted([*names, *links]))
    yield from (Path(each.filename) for each in closed if isinstance(each, PermissionError))
