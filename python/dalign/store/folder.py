"""The folder of a stage's variant in a run: rows in parts, what was asked, a manifest at the end."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from dalign.errors import UnfinishedError
from dalign.rows import Columns, Dropped
from dalign.store.damage import damaged, read_object
from dalign.store.memory import EARLIER, Journal, Memory, journals, set_aside
from dalign.store.parts import DROPPED, ROWS, PartWriter, Table
from dalign.store.whole_files import Json, digest, write_json, write_text

MAIN = "main"
Chunk = TypeVar("Chunk")
MANIFEST = "manifest.json"
MARKER = "inputs.json"
CHUNKS = "chunks.jsonl"
COST = "cost.json"
# What a manifest has in any case.
_MANIFEST = {
    "inputs_sha256": str,
    "output_sha256": str,
    "inputs": dict,
    "counts": dict,
    "facts": dict,
    "parts": list,
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
        """One of its tables. Raises InputError where the finished stage has lost a part of it."""
        for file in (self.manifest() or {}).get("files", ()):
            if file.rpartition("-")[0] == name and not (self.path / file).is_file():
                raise damaged(self.path / file, "no such file")
        return Table(self.path, name)

    def made(self, name: str = ROWS) -> Table:
        """One of its tables, once it is there. Raises InputError when the stage has not run."""
        found = self.table(name)
        if not found.paths():
            raise UnfinishedError.in_file(found.path(0), self._not_yet("has not run yet"))
        return found

    def _not_yet(self, what: str) -> str:
        return f"the stage {self.name} {what}; run it first (dalign {self.stage} --run {self.run})"

    def manifest(self) -> dict[str, Json] | None:
        """What the finished stage recorded; None while it has not finished."""
        path = self.path / MANIFEST
        if not path.is_file():
            return None
        found = read_object(path)
        for key, kind in _MANIFEST.items():
            if not isinstance(found.get(key), kind):
                raise damaged(path, f"no {key} in it")
        return found

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
            raise UnfinishedError.in_file(self.path, self._not_yet("has not finished"))
        return str(manifest["output_sha256"])

    def start(self, inputs: Mapping[str, Json], part_rows: int = 0, *, anew: bool = False) -> None:
        """Makes the folder ready: of what an earlier run with other inputs left, the replies are set aside.

        part_rows: parts of another size are no parts of this run. anew: nothing is, and the replies alone are taken over.
        """
        marker = self.path / MARKER
        wanted = digest([inputs, part_rows])
        same = not anew and marker.is_file() and read_object(marker).get("sha256") == wanted
        (self.path / MANIFEST).unlink(missing_ok=True)
        if same:
            return
        # Without its marker, a folder that a kill leaves half taken apart counts as nobody's.
        marker.unlink(missing_ok=True)
        if self.path.exists():
            set_aside(self.path)
            for path in sorted(self.path.iterdir()):
                if path.name != EARLIER:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_json(marker, {"sha256": wanted, "inputs": inputs, "part_rows": part_rows})

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
        done = {row["chunk"]: row for row in log.read() if self._holds(row)}
        for number, chunk in enumerate(chunks):
            if number in done:
                skipped(chunk, Counter(done[number]["counts"]))
                continue
            made = work(number, chunk)
            digests = {
                name: self.table(name).write(number, frame) for name, frame in made.tables.items()
            }
            counts, names = dict(made.counts), list(digests)
            done[number] = {"chunk": number, "rows": digests[ROWS], "counts": counts, "tables": names}  # fmt: skip
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
        """Whether a line of the log says that a chunk is done, and the parts of that chunk are there."""
        number, counts = row.get("chunk"), row.get("counts")
        if type(number) is not int or not isinstance(counts, dict) or "rows" not in row:
            return False
        return all(self.table(name).path(number).is_file() for name in row.get("tables", [ROWS]))

    def writer(self, rows: int, name: str = ROWS) -> PartWriter:
        """Writes one of its tables anew, in parts of so many rows."""
        table = self.table(name)
        table.clear()
        return PartWriter(table, rows)

    def finish(self, inputs: Mapping[str, Json], said: Finished) -> None:
        """Writes the manifest; the journals and what an earlier run left are done with."""
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
            "files": sorted(path.name for path in self.path.glob("*.parquet")),
        }
        if said.spec_versions is not None:
            manifest["spec_versions"] = dict(said.spec_versions)
        write_json(self.path / MANIFEST, manifest)
        for path in (*journals(self.path), self.path / CHUNKS):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.path / EARLIER, ignore_errors=True)

    def record_cost(self, cost: Mapping[str, Json]) -> None:
        """Records times and memory beside the manifest: they are no part of the result."""
        write_text(self.path / COST, json.dumps(dict(cost)) + "\n")

    def cost(self) -> dict[str, Json]:
        """What `record_cost` recorded; empty before."""
        path = self.path / COST
        return read_object(path) if path.is_file() else {}
