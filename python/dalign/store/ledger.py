"""`RUN/ledger.json`: what the run's own files must be, and the text of the small ones that nothing else tells.

It is written before the files that it has the text of, and after those that it has only a mark of. While
stages work it says nothing of theirs: it is *open*, and what a kill leaves unfinished is no damage.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dalign.errors import InputError
from dalign.store.damage import CONFIG, LEDGER, damaged, is_run
from dalign.store.seal import (
    Fault,
    Mark,
    Seal,
    check_names,
    files_below,
    marks_in,
    marks_of,
    read_sealed,
    size_fault,
    write_sealed,
)
from dalign.store.whole_files import Json, folder_place, write_text

ELAPSED, MODELS, SERVED = "elapsed.json", "models.json", "served.json"
# What asking models has taken, by stage and model.
SPENT = "spent.json"
RESULTS, REPORT = "results.json", "report.html"
OWN_FILES = (CONFIG, LEDGER, ELAPSED, MODELS, SERVED, SPENT, RESULTS, REPORT)
# What servers that a run has started have said; nothing of the run depends on it.
LOGS = "logs"
MANIFEST, MARKER, COST = "manifest.json", "inputs.json", "cost.json"
# The user's own files, where they lie in the run's folder.
PROJECT, PROJECT_CONFIG = "project", "dalign.toml"


@dataclass(frozen=True)
class Ledger:
    """What `ledger.json` holds. copies: texts by their names below the run's folder; seal: of the other files."""

    run: Path
    copies: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mark] = field(default_factory=dict)

    def holds(self, path: Path) -> bool:
        """Whether it has the text of a file."""
        return path.relative_to(self.run).as_posix() in self.copies

    def check(self, path: Path) -> Path:
        """The path of one of the run's own files, once it is found to be what it must be. Raises InputError."""
        name = path.relative_to(self.run).as_posix()
        what = _differs(path, self.copies[name]) if name in self.copies else "in no ledger"
        if what:
            raise damaged(path, what)
        return path

    def faults(self) -> Iterator[Fault]:
        """Every file that is not what it must be."""
        for name, text in self.copies.items():
            if what := _differs(self.run / name, text):
                yield Fault(self.run / name, what)
        # A user may add to files of his own.
        yield from Seal(self.run, self.files).changes()


def _differs(path: Path, text: str) -> str:
    """What is wrong with a file of which the text is known."""
    if not path.is_file():
        return "lost"
    wanted, size = text.encode(), path.stat().st_size
    # What is too long may be longer than the memory.
    if what := size_fault(size, len(wanted)):
        return what
    return "" if path.read_bytes() == wanted else "changed"


def read_ledger(run: Path) -> Ledger:
    """The ledger of a run. Raises InputError where it is damaged, or where there is none."""
    path = run / LEDGER
    if not path.is_file():
        raise damaged(path, "no such file: it is lost, or the run is of an earlier dalign")
    held = read_sealed(path)
    copies = held.get("copies")
    if not isinstance(copies, dict):
        raise damaged(path, "no copies in it")
    check_names(path, copies)
    if not all(isinstance(text, str) for text in copies.values()):
        raise damaged(path, "a copy in it is no text")
    return Ledger(run, copies, marks_in(path, held))


def checked_config(path: Path) -> Path:
    """The path of a config, checked where it is a run's own. Raises InputError."""
    is_runs = path.name == CONFIG and (path.parent / LEDGER).is_file()
    return read_ledger(path.parent).check(path) if is_runs else path


@contextmanager
def saved_config(run: Path) -> Iterator[Path]:
    """The config that a run was started with, for a while: its file, or what the ledger has of a damaged one."""
    path = run / CONFIG
    try:
        ledger = read_ledger(run)
    except InputError:
        yield path
        return
    if not ledger.holds(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / CONFIG
        copy.write_text(ledger.copies[CONFIG], "utf-8")
        yield copy


def has_ledger(run: Path) -> bool:
    """Whether a run's ledger can be read."""
    try:
        read_ledger(run)
    except InputError:
        return False
    return True


def fault_in(run: Path, path: Path) -> str:
    """What is wrong with a file of which a run's ledger has the text; nothing where it has none, or cannot be read."""
    try:
        ledger = read_ledger(run)
    except InputError:
        return ""
    name = path.relative_to(run).as_posix()
    return _differs(path, ledger.copies[name]) if name in ledger.copies else ""


def _known(run: Path) -> Ledger:
    """The ledger; where there is none that can be read, what lies there is taken as it is."""
    try:
        return read_ledger(run)
    except InputError:
        texts = (run / name for name in (CONFIG, ELAPSED, SPENT))
        copies = {
            path.name: path.read_bytes().decode("utf-8", "replace")
            for path in texts
            if path.is_file()
        }
        return Ledger(run, copies, marks_of(run, (run / RESULTS, run / REPORT)))


def _write(run: Path, copies: Mapping[str, str], files: Mapping[str, Json]) -> None:
    write_sealed(run / LEDGER, {"copies": dict(copies), "files": dict(files)})


def kept_text(run: Path, name: str) -> str:
    """The text of a small file of the run's own: as the ledger has it, or as it lies there."""
    held = _known(run).copies
    return held[name] if name in held else (run / name).read_text("utf-8")


def put_back(run: Path) -> Iterator[str]:
    """Writes the files that are damaged, and of which the ledger has the text; says what was wrong with which."""
    if not is_run(run):
        return
    try:
        ledger = read_ledger(run)
    except InputError as error:
        yield f"{run / LEDGER}: damaged or lost ({error.value}); it is made anew"
        return
    for path, what in ledger.faults():
        if ledger.holds(path):
            if aside := folder_place(path.parent):
                yield f"{path.parent}: no folder, as the run needs it; it is now {aside}"
            write_text(path, ledger.copies[path.relative_to(run).as_posix()])
            yield f"{path}: damaged or lost ({what}); it is as it was again"
        elif path.is_relative_to(run / PROJECT):
            yield f"{path}: not as the run read it ({what}); what depends on it runs again"


def keep(run: Path, texts: Mapping[str, str]) -> None:
    """Writes small files of the run, and their texts into the ledger."""
    held = _known(run)
    _write(run, {**held.copies, **texts}, held.files)
    for name, text in texts.items():
        write_text(run / name, text)


def open_ledger(run: Path, config: str) -> None:
    """Begins the work of stages: writes the config, and says nothing of theirs any more."""
    held = _known(run)
    copies = {name: text for name, text in held.copies.items() if "/" not in name}
    _write(run, {**copies, CONFIG: config}, _files_now(held))
    write_text(run / CONFIG, config)


def close_ledger(run: Path) -> None:
    """Ends the work of stages: takes down what the finished ones made."""
    held = _known(run)
    copies = {name: text for name, text in held.copies.items() if "/" not in name}
    for manifest in sorted(run.glob(f"*/*/{MANIFEST}")):
        try:
            seal = Seal(manifest.parent, marks_in(manifest, read_sealed(manifest)))
            sound = [manifest, *(seal.check(p) for p in seal.folder.glob(MARKER))]
            sound += [p for p in seal.folder.glob(COST) if read_sealed(p)]
        except InputError:
            continue
        for path in sound:
            copies[path.relative_to(run).as_posix()] = path.read_text("utf-8")
    _write(run, copies, _files_now(held))


def mark_files(run: Path, names: Iterable[str]) -> None:
    """Takes down what files of the run are now."""
    held = _known(run)
    _write(run, held.copies, {**held.files, **marks_of(run, (run / name for name in names))})


def _files_now(held: Ledger) -> dict[str, Mark]:
    """The marks that it has, those of the user's own files as these are now."""
    others = {n: mark for n, mark in held.files.items() if not n.startswith(f"{PROJECT}/")}
    return others | marks_of(held.run, files_below(held.run / PROJECT))
