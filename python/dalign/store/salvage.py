"""What of a stage's folder is kept when the stage starts again: all that is known to be as it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from dalign.store.chunks import ChunkLog
from dalign.store.memory import EARLIER, REPLIES, is_readable, journals, move_aside
from dalign.store.seal import ADDED, Mark, Seal, fault_of
from dalign.store.whole_files import remove, set_by

_FILES = (".json", ".jsonl", ".parquet")
_NUMBER = re.compile(r"-(\d{5,})\.parquet$")


def drop_misplaced(folder: Path) -> None:
    """Removes what has a file's name and is none, and the other way round for `earlier`."""
    for path in folder.iterdir() if folder.is_dir() else ():
        is_misplaced = path.suffix in _FILES and not path.is_file()
        if is_misplaced or (path.name == EARLIER and not path.is_dir()):
            remove(path)


def drop_damaged(folder: Path, marks: Mapping[str, Mark]) -> set[str]:
    """Removes what is not what its mark says, sets by what was added; returns the names of the files that are."""
    for path, what in list(Seal(folder, marks).faults()):
        if what == ADDED:
            set_by(path, folder)
    bad = {name for name, mark in marks.items() if fault_of(folder / name, mark)}
    for name in bad:
        # The files of a folder, such as a checkpoint, are one thing.
        remove(folder / name.partition("/")[0])
    for path in folder.glob(f"{REPLIES}*.parquet"):
        if path.name not in marks and not is_readable(path):
            path.unlink()
    return marks.keys() - bad


def drop_unknown(folder: Path, known: set[str]) -> None:
    """Removes the tables that nothing vouches for; the replies of chunks that must be made again are set aside for them."""
    whole, in_work = ChunkLog(folder).done(), bool(journals(folder))
    again = []
    for path in sorted(folder.glob("*.parquet")):
        number = _NUMBER.search(path.name)
        is_reply = path.name.startswith(REPLIES)
        if is_reply and number and int(number[1]) in whole:
            continue
        # What the journals hold of a chunk in work is all that there is of it.
        if is_reply and (path.name in known or not in_work):
            again.append(path)
        elif path.name not in known:
            path.unlink()
    move_aside(folder, again)
