"""Damage to the files of a finished run, as disks, kills and hands do it; and what readers make of it."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dalign.errors import InputError
from dalign.records.blast_radius import blast_radius
from dalign.records.coverage import coverage
from dalign.records.journey import journeys_of
from dalign.records.record import open_record
from dalign.records.report_content import report_content
from dalign.records.results import results_of
from dalign.records.verify import verify
from dalign.spec.parse import load_spec
from dalign.spec.shipped import spec_folder
from dalign.store.lock import LOCK

Damage = Callable[[bytes, random.Random], bytes | None]


def flip(content: bytes, draw: random.Random) -> bytes | None:
    """One bit of it the other way round; a file without a byte has one more."""
    if not content:
        return b"\0"
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]


def cut(content: bytes, draw: random.Random) -> bytes | None:
    """Its start alone; nothing at all now and then."""
    return content[: draw.randrange(len(content))] if content else None


def lose(content: bytes, draw: random.Random) -> bytes | None:
    """No file."""
    return None


def lengthen(content: bytes, draw: random.Random) -> bytes | None:
    """Bytes at its end that many a reader does not look at."""
    return content + draw.choice([b"\n", b" ", b"\0", content[-9:]])


DAMAGES: tuple[Damage, ...] = (flip, flip, flip, cut, lose, lengthen)


def files_of(run: Path) -> list[Path]:
    """Every file of a run, in order; the lock says nothing that anybody reads."""
    return sorted(path for path in run.rglob("*") if path.is_file() and path.name != LOCK)


def apply(path: Path, damage: Damage, draw: random.Random) -> None:
    changed = damage(path.read_bytes(), draw)
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)


# What may lie in a folder and is no file of its own.
STRANGERS = (
    "link to a folder",
    "link to a file",
    "link to nothing",
    "link to itself",
    "pipe",
    "socket",
)


def add_stranger(path: Path, kind: str, outside: Path) -> None:
    """Puts one there. outside: a folder beside the run, for what links lead to."""
    (outside / "folder").mkdir(parents=True, exist_ok=True)
    (outside / "folder" / "file").write_text("{}")
    targets = {
        "link to a folder": outside / "folder",
        "link to a file": outside / "folder" / "file",
        "link to nothing": outside / "nothing",
        "link to itself": path,
    }
    if kind in targets:
        path.symlink_to(targets[kind])
    else:
        os.mknod(path, stat.S_IFIFO if kind == "pipe" else stat.S_IFSOCK)


def results(run: Path) -> Any:
    return asdict(results_of(open_record(run)))


def page(run: Path) -> Any:
    record = open_record(run)
    said = asdict(report_content(record, results_of(record), created=""))
    # Where the folder lies is no figure.
    return {name: value for name, value in said.items() if name not in ("title", "command")}


def clauses(run: Path) -> Any:
    return coverage(run)


def journey(run: Path) -> Any:
    record = open_record(run)
    first = record.project.prompts.table.scan().select("id").head(1).collect().item()
    return journeys_of(record, first)


def radius(run: Path) -> Any:
    policy = load_spec(spec_folder("safety"))
    return blast_radius(run, policy, policy)


READERS = (results, page, clauses, journey, radius)


def check_named(run: Path, wanted: dict[str, Any], damaged: Path) -> list[str]:
    """Of a run with one damaged file: verify names that file alone, and each reader names it or says what it said before.

    wanted: what readers said, by their names. Returns the readers that named it.
    """
    found = verify(run).damage
    assert [run / each.path for each in found] == [damaged]
    named = []
    for read in READERS:
        try:
            said = read(run)
        except InputError as error:
            named.append((read.__name__, error.kind, error.path))
        else:
            assert said == wanted[read.__name__], f"{read.__name__} reported from {damaged}"
    assert all(found == (found[0], "damaged_file", damaged) for found in named), named
    return [name for name, *_ in named]
