"""The folder of a stage's variant in a run: rows in parts, what was asked, a manifest at the end."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from dalign.errors import InputError
from dalign.rows import Columns, Dropped
from dalign.store.damage import damaged, read_object, reading
from dalign.store.ledger import COST, MANIFEST, MARKER, has_lost
from dalign.store.memory import (
    EARLIER,
    REPLIES,
    Journal,
    Memory,
    is_readable,
    journals,
    move_aside,
    set_aside,
)
from dalign.store.parts import DROPPED, ROWS, PartWriter, Table
from dalign.store.seal import (
    Fault,
    Mark,
    Seal,
    fault_of,
    files_below,
    marks_of,
    read_sealed,
    write_sealed,
)
from dalign.store.whole_files import Json, digest, write_json

MAIN = "main"
Chunk = TypeVar("Chunk")
CHUNKS = "chunks.jsonl"
_NUMBER = re.compile(r"-(\d{5,})\.parquet$")
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


@dataclass(frozen=True)
class StageFolder:
    """`RUN/<stage>/<variant>/`."""

    run: Path
    stage: str
    variant: str = MAIN

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
            raise InputError(f"{found.path(0)}: {self._not_yet('has not run yet')}", path=self.path)
        return found

    def _not_yet(self, what: str) -> str:
        return f"the stage {self.name} {what}; run it first (dalign {self.stage} --run {self.run})"

    def manifest(self) -> dict[str, Json] | None:
        """What the finished stage recorded; None while it has not finished. Raises InputError where it is damaged or lost."""
        path = self.path / MANIFEST
        if not path.is_file():
            if has_lost(self.run, path):
                raise damaged(path, "lost")
            return None
        found = read_sealed(path)
        for key, kind in _MANIFEST.items():
            if not isinstance(found.get(key), kind):
                raise damaged(path, f"no {key} in it")
        return found

    def seal(self) -> Seal | None:
        """What the files of the finished stage must be; None while it has not finished."""
        manifest = self.manifest()
        return None if manifest is None else Seal(self.path, manifest["files"])

    def faults(self) -> list[Fault]:
        """What of the finished stage is damaged or lost; nothing while it has not finished."""
        try:
            seal = self.seal()
        except InputError as error:
            return [Fault(self.path / MANIFEST, str(error.value))]
        return [] if seal is None else list(seal.faults())

    def checked(self, name: str) -> Path:
        """A file of the finished stage, or a folder with all its files, to be read. Raises InputError where one is damaged."""
        seal, path = self.seal(), self.path / name
        if seal is not None:
            for each in seal.below(path) or [path]:
                seal.check(each)
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
            raise InputError(f"{self.path}: {self._not_yet('has not finished')}", path=self.path)
        return str(manifest["output_sha256"])

    def start(self, inputs: Mapping[str, Json], part_rows: int = 0) -> None:
        """Makes the folder ready: of what an earlier run with other inputs left, the replies are set aside.

        part_rows: parts of another size are no parts of this run.
        """
        wanted = digest([inputs, part_rows])
        known = self._drop_damaged()
        (self.path / MANIFEST).unlink(missing_ok=True)
        if self._is_of(wanted):
            self._drop_unknown(known)
            return
        # Without its marker, a folder that a kill leaves half taken apart counts as nobody's.
        marker = self.path / MARKER
        marker.unlink(missing_ok=True)
        if self.path.exists():
            set_aside(self.path)
            for path in sorted(self.path.iterdir()):
                if path.name != EARLIER:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_json(marker, {"sha256": wanted, "inputs": inputs, "part_rows": part_rows})

    def _is_of(self, wanted: str) -> bool:
        """Whether what lies here was made of these inputs; where nothing tells, it was not."""
        try:
            return read_object(self.path / MARKER).get("sha256") == wanted
        except InputError:
            return False

    def _drop_damaged(self) -> set[str]:
        """Removes what is damaged; returns the names of the files that are known to be whole."""
        try:
            seal = self.seal()
        except InputError:
            seal = None
        marks = dict(seal.marks) if seal else {}
        # Of a stage that has not finished, or whose manifest is damaged, the log of chunks tells.
        for row in () if seal else Journal(self.path / CHUNKS).read():
            marks |= row.get("files", {})
        bad = {name for name, mark in marks.items() if fault_of(self.path / name, mark)}
        for name in bad:
            # The files of a folder, such as a checkpoint, are one thing.
            path = self.path / name.partition("/")[0]
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for path in self.path.glob(f"{REPLIES}*.parquet"):
            if path.name not in marks and not is_readable(path):
                path.unlink()
        return marks.keys() - bad

    def _drop_unknown(self, known: set[str]) -> None:
        """Removes the tables that nothing vouches for; replies of chunks that must be made again are set aside for them."""
        whole = {row["chunk"] for row in self._done()}
        in_work = bool(journals(self.path))
        again = []
        for path in sorted(self.path.glob("*.parquet")):
            number = _NUMBER.search(path.name)
            is_reply = path.name.startswith(REPLIES)
            if is_reply and number and int(number[1]) in whole:
                continue
            # What the journals hold of a chunk in work is all that there is of it.
            if is_reply and (path.name in known or not in_work):
                again.append(path)
            elif path.name not in known:
                path.unlink()
        move_aside(self.path, again)

    def _done(self) -> list[dict[str, Json]]:
        """The lines of the log that say of a chunk that it is done, and whose files are as they say."""
        return [row for row in Journal(self.path / CHUNKS).read() if self._holds(row)]

    def memory(self, name: str = "") -> Memory:
        """What is asked in this stage; one memory for each kind of question."""
        return Memory(self.path, name)

    def journal(self) -> Journal:
        """Rows that a stage takes down while it works."""
        return Journal(self.path / "journal.jsonl")

    def by_chunks(
        self,
        chunks: Iterable[Chunk],
        work: Callable[[int, Chunk], Made],
        columns: Mapping[str, Columns],
        skipped: Callable[[Chunk, Mapping[str, int]], None],
    ) -> tuple[Counter[str], list[str]]:
        """Does the work on each chunk that is not done yet, a part of each table a chunk. Returns sums of counts, and digests.

        columns: of each table, so that one without any row is there too. skipped: gets the counts of a chunk that
        an earlier call of the program has done.
        """
        log = Journal(self.path / CHUNKS)
        done = {row["chunk"]: row for row in self._done()}
        for number, chunk in enumerate(chunks):
            if number in done:
                skipped(chunk, Counter(done[number]["counts"]))
                continue
            made = work(number, chunk)
            digests = {
                name: self.table(name).write(number, frame) for name, frame in made.tables.items()
            }
            parts = [self.table(name).path(number) for name in digests]
            replies = self.path.glob(f"{REPLIES}*-{number:05}.parquet")
            done[number] = {
                "chunk": number,
                "rows": digests[ROWS],
                "counts": dict(made.counts),
                "tables": list(digests),
                "files": marks_of(self.path, (*parts, *replies)),
            }
            log.append([done[number]])
            for path in journals(self.path):
                path.unlink()
        totals = Counter[str]()
        for row in done.values():
            totals.update(row["counts"])
        for name, schema in columns.items():
            if not self.table(name).paths():
                self.table(name).write(0, pl.DataFrame(schema=pl.Schema(schema)))
        return totals, [row["rows"] for _, row in sorted(done.items())]

    def _holds(self, row: Mapping[str, Json]) -> bool:
        """Whether a line of the log says that a chunk is done, and its files are as the line says."""
        number, counts = row.get("chunk"), row.get("counts")
        if type(number) is not int or not isinstance(counts, dict) or "rows" not in row:
            return False
        marks: Mapping[str, Mark] = row.get("files", {})
        parts = (self.table(name).path(number) for name in row.get("tables", [ROWS]))
        return all(path.is_file() for path in parts) and not any(
            fault_of(self.path / name, mark) for name, mark in marks.items()
        )

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
            "files": self._marks(),
        }
        if said.spec_versions is not None:
            manifest["spec_versions"] = dict(said.spec_versions)
        write_sealed(self.path / MANIFEST, manifest)
        for path in journals(self.path):
            path.unlink()
        shutil.rmtree(self.path / EARLIER, ignore_errors=True)

    def _marks(self) -> dict[str, Mark]:
        """The marks of all files that the stage leaves."""
        gone = {self.path / EARLIER, self.path / MANIFEST, *journals(self.path)}
        return marks_of(
            self.path, (p for p in files_below(self.path) if gone.isdisjoint((p, p.parent)))
        )

    def record_cost(self, cost: Mapping[str, Json]) -> None:
        """Records times and memory beside the rows, before the manifest: they are no part of the result."""
        write_json(self.path / COST, dict(cost))

    def cost(self) -> dict[str, Json]:
        """What `record_cost` recorded of the finished stage; empty where it recorded nothing."""
        found = self.records(COST)
        with reading(self.path / COST):
            return dict(found or {})
