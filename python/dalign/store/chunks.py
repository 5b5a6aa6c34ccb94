"""The log of a stage's chunks: which are done, what they add to the counts, and what their files must be."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dalign.errors import InputError
from dalign.store.memory import REPLIES, Journal
from dalign.store.parts import ROWS, Table
from dalign.store.seal import Mark, fault_of, marks_in, marks_of
from dalign.store.whole_files import Json, digest

CHUNKS = "chunks.jsonl"


class ChunkLog:
    """`chunks.jsonl` of a stage's folder, a line a chunk; of several lines of a chunk the last one holds."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._log = folder, Journal(folder / CHUNKS)

    def done(self) -> dict[int, dict[str, Json]]:
        """The chunks that are done, and whose files are there as they were written; by their numbers."""
        return {row["chunk"]: row for row in self._log.read() if self._holds(row)}

    def marks(self) -> dict[str, Mark]:
        """What the files of all chunks must be."""
        marks: dict[str, Mark] = {}
        for row in self._log.read():
            with suppress(InputError):
                marks |= marks_in(self._folder / CHUNKS, {"files": {}, **row})
        return marks

    def add(
        self, number: int, digests: Mapping[str, str], counts: Mapping[str, int]
    ) -> dict[str, Json]:
        """Notes that a chunk is done, of which the replies and these tables are written. digests: of the tables' rows."""
        parts = (Table(self._folder, name).path(number) for name in digests)
        replies = self._folder.glob(f"{REPLIES}*-{number:05}.parquet")
        row = {
            "chunk": number,
            # What later stages depend on: of a judge's chunk, the scores too.
            "rows": digest(dict(digests)),
            "counts": dict(sorted(counts.items())),
            "tables": list(digests),
            "files": marks_of(self._folder, (*parts, *replies)),
        }
        self._log.append([row])
        return row

    def _holds(self, row: Mapping[str, Json]) -> bool:
        number, counts = row.get("chunk"), row.get("counts")
        try:
            marks = marks_in(self._folder / CHUNKS, {"files": {}, **row})
        except InputError:
            return False
        if type(number) is not int or not isinstance(counts, dict) or "rows" not in row:
            return False
        parts = (Table(self._folder, name).path(number) for name in row.get("tables", [ROWS]))
        return all(path.is_file() for path in parts) and not any(
            fault_of(self._folder / name, mark) for name, mark in marks.items()
        )
