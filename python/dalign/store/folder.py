"""The folder of a stage's variant in a run: rows in parts, what was asked, a manifest at the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from dalign.errors import InputError, UnfinishedError
from dalign.rows import Columns, Dropped
from dalign.store.chunks import ChunkLog
from dalign.store.damage import damaged, read_object, reading
from dalign.store.ledger import COST, MANIFEST, MARKER, fault_in
from dalign.store.memory import EARLIER, Journal, Memory, forget_chunk, journals, set_aside
from dalign.store.parts import DROPPED, ROWS, PartWriter, Table
from dalign.store.salvage import drop_damaged, drop_misplaced, drop_unknown
from dalign.store.seal import (
    Fault,
    Mark,
    Seal,
    files_below,
    marks_in,
    marks_of,
    read_sealed,
    write_sealed,
)
from dalign.store.whole_files import Json, digest, folder_place, remove, write_json

MAIN = "main"
Chunk = TypeVar("Chunk")
# What a manifest has in any case.
_MANIFEST = {
    "inputs_sha256": str,
    "output_sha256": str,
    "inputs": dict,
    "counts": dict,
    "facts": dict,
    "parts": list,
    "files": dict,
}


@dataclass(frozen=True)
class Made:
    """What a stage's work makes of some rows: tables by name, and counts that add up over calls."""

    tables: Mapping[str, pl.DataFrame]
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """What a stage says at its end. counts: what went in and came out; facts: anything else worth knowing.

    Facts are hashed with the rows, as what the next stage depends on. parts: the digests of the rows' parts.
    spec_versions: the versions of the policy that the stage read; no later stage depends on them.
    """

    counts: Mapping[str, Json]
    parts: Sequence[str]
    facts: Mapping[str, Json] = field(default_factory=dict)
    spec_versions: Mapping[str, str] | None = None


# Has the work done on chunks that come with their numbers, and gives what is made of each, in their order.
Spread = Callable[
    [Iterable[tuple[int, Chunk]], Callable[[int, Chunk], Made]], Iterator[tuple[int, Made]]
]


def one_by_one(
    chunks: Iterable[tuple[int, Chunk]], work: Callable[[int, Chunk], Made]
) -> Iterator[tuple[int, Made]]:
    """The `Spread` of this process alone."""
    return ((number, work(number, chunk)) for number, chunk in chunks)


@dataclass(frozen=True)
class StageFolder:
    """`RUN/<stage>/<variant>/`. beside: others work at other chunks."""

    run: Path
    stage: str
    variant: str = MAIN
    beside: bool = False

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.run / self.stage / self.variant

    @property
    def name(self) -> str:
        """`stage/variant`."""
        return f"{self.stage}/{self.variant}"

    def table(self, name: str = ROWS) -> Table:
        """One of its tables; of a finished stage, each part is checked before it is read."""
        return Table(self.path, name, self.seal())

    def made(self, name: str = ROWS) -> Table:
        """One of its tables, once it is there. Raises InputError when the stage has not run."""
        found = self.table(name)
        if not found.paths():
            raise UnfinishedError.in_file(found.path(0), _not_yet(self, "has not run yet"))
        return found

    def manifest(self) -> dict[str, Json] | None:
        """What the finished stage recorded; None while it has not finished. Raises InputError where it is damaged or lost."""
        path = self.path / MANIFEST
        if what := fault_in(self.run, path):
            raise damaged(path, what)
        if not path.is_file():
            return None
        found = read_sealed(path)
        for key, kind in _MANIFEST.items():
            if not isinstance(found.get(key), kind):
                raise damaged(path, f"no {key} in it")
        marks_in(path, found)
        return found

    def seal(self) -> Seal | None:
        """What the files of the finished stage must be; None while it has not finished."""
        manifest = self.manifest()
        return None if manifest is None else Seal(self.path, manifest["files"])

    def faults(self) -> list[Fault]:
        """What of the finished stage is damaged or lost; nothing while it has not finished."""
        found = []
        try:
            seal = self.seal()
            found = [] if seal is None else list(seal.faults())
            if seal is not None:
                self.cost()
        except InputError as error:
            found.append(Fault(error.path or self.path, str(error.value)))
        return found

    def checked(self, name: str) -> Path:
        """A file of the finished stage, or a folder with all its files, to be read. Raises InputError where one is damaged."""
        seal, path = self.seal(), self.path / name
        if seal is not None:
            for each in seal.below(path) or [path]:
                seal.check(each)
            for added, what in seal.added(path):
                raise damaged(added, what)
        return path

    def records(self, name: str) -> Json:
        """The value of a JSON file of the finished stage; None where it has no such file."""
        seal, path = self.seal(), self.path / name
        if seal is None or not seal.names(path):
            return None
        with reading(self.checked(name)):
            return json.loads(path.read_text("utf-8"))

    def recorded(self, what: str) -> dict[str, Json]:
        """`counts` or `facts` of the manifest; empty while the stage has not finished."""
        return dict((self.manifest() or {}).get(what, {}))

    def is_done(self, inputs: Mapping[str, Json]) -> bool:
        """Whether the stage has finished with exactly these inputs."""
        manifest = self.manifest()
        return manifest is not None and manifest["inputs_sha256"] == digest(inputs)

    def output_sha256(self) -> str:
        """The hash of what the stage made; what a later stage's inputs name."""
        manifest = self.manifest()
        if manifest is None:
            raise UnfinishedError.in_file(self.path, _not_yet(self, "has not finished"))
        return str(manifest["output_sha256"])

    def start(self, inputs: Mapping[str, Json], part_rows: int = 0, *, anew: bool = False) -> None:
        """Makes the folder ready: of what an earlier run with other inputs left, the replies are set aside.

        part_rows: parts of another size are no parts of this run. anew: nothing is, and the replies alone are taken over.
        """
        wanted = digest([inputs, part_rows])
        folder_place(self.path)
        try:
            seal = self.seal()
        except InputError:
            seal = None
        # Of a stage that has not finished, the log of chunks tells.
        marks = ChunkLog(self.path).marks() if seal is None else seal.marks
        drop_misplaced(self.path)
        known = drop_damaged(self.path, marks)
        (self.path / MANIFEST).unlink(missing_ok=True)
        if not anew and _is_of(self.path / MARKER, wanted):
            drop_unknown(self.path, known)
            return
        # Without its marker, a folder that a kill leaves half taken apart counts as nobody's.
        marker = self.path / MARKER
        marker.unlink(missing_ok=True)
        if self.path.exists():
            set_aside(self.path)
            for path in sorted(self.path.iterdir()):
                if path.name != EARLIER:
                    remove(path)
        write_json(marker, {"sha256": wanted, "inputs": inputs, "part_rows": part_rows})

    def memory(self, name: str = "") -> Memory:
        """What is asked in this stage; one memory for each kind of question."""
        return Memory(self.path, name, self.beside)

    def journal(self) -> Journal:
        """Rows that a stage takes down while it works."""
        return Journal(self.path / "journal.jsonl")

    def by_chunks(
        self,
        chunks: Iterable[Chunk],
        work: Callable[[int, Chunk], Made],
        columns: Mapping[str, Columns],
        skipped: Callable[[Chunk, Mapping[str, int]], None],
        spread: Spread[Chunk] = one_by_one,
    ) -> tuple[Counter[str], list[str]]:
        """Has the work done on each chunk that is not done yet, a part of each table a chunk. Returns sums of counts, and digests.

        columns: of each table, so that one without any row is there too. skipped: gets the counts of a chunk that
        an earlier call of the program has done.
        """
        log = ChunkLog(self.path)
        done = log.done()

        def waiting() -> Iterator[tuple[int, Chunk]]:
            for number, chunk in enumerate(chunks):
                if number in done:
                    skipped(chunk, Counter(done[number]["counts"]))
                else:
                    yield number, chunk

        for number, made in spread(waiting(), work):
            digests = {
                name: self.table(name).write(number, frame) for name, frame in made.tables.items()
            }
            done[number] = log.add(number, digests, made.counts)
            forget_chunk(self.path, number)
        totals = Counter[str]()
        for row in done.values():
            totals.update(row["counts"])
        for name, schema in columns.items():
            if not self.table(name).paths():
                self.table(name).write(0, pl.DataFrame(schema=pl.Schema(schema)))
        return totals, [row["rows"] for _, row in sorted(done.items())]

    def writer(self, rows: int, name: str = ROWS) -> PartWriter:
        """Writes one of its tables anew, in parts of so many rows."""
        table = self.table(name)
        table.clear()
        return PartWriter(table, rows)

    def finish(self, inputs: Mapping[str, Json], said: Finished) -> None:
        """Writes the manifest, which covers all that lies here; the journals and what an earlier run left are done with."""
        if not self.table(DROPPED).paths():
            self.table(DROPPED).write(0, pl.DataFrame(schema=pl.Schema(Dropped.COLUMNS)))
        manifest = {
            "stage": self.stage,
            "variant": self.variant,
            "inputs": inputs,
            "inputs_sha256": digest(inputs),
            "parts": list(said.parts),
            "output_sha256": digest({"parts": list(said.parts), "facts": dict(said.facts)}),
            "counts": dict(said.counts),
            "facts": dict(said.facts),
            "files": _marks_left(self.path),
        }
        if said.spec_versions is not None:
            manifest["spec_versions"] = dict(said.spec_versions)
        write_sealed(self.path / MANIFEST, manifest)
        for path in journals(self.path):
            path.unlink()
        remove(self.path / EARLIER)

    def record_cost(self, cost: Mapping[str, Json]) -> None:
        """Records times and memory beside the manifest: they are no part of the result."""
        write_sealed(self.path / COST, cost)

    def cost(self) -> dict[str, Json]:
        """What `record_cost` recorded; empty before. Raises InputError where it is damaged or lost."""
        path = self.path / COST
        if what := fault_in(self.run, path):
            raise damaged(path, what)
        return read_sealed(path) if path.is_file() else {}


def _not_yet(folder: StageFolder, what: str) -> str:
    command = f"dalign {folder.stage} --run {folder.run}"
    return f"the stage {folder.name} {what}; run it first ({command})"


def _is_of(marker: Path, wanted: str) -> bool:
    """Whether what lies beside a marker was made of these inputs; where nothing tells, it was not."""
    try:
        return read_object(marker).get("sha256") == wanted
    except InputError:
        return False


def _marks_left(folder: Path) -> dict[str, Mark]:
    """The marks of all files that a stage leaves."""
    gone = {*(folder / name for name in (EARLIER, MANIFEST, COST)), *journals(folder)}
    return marks_of(folder, (p for p in files_below(folder) if gone.isdisjoint((p, p.parent))))
