"""A run on disk: `RUN/<stage>/<variant>/` with rows, dropped rows, a journal while it runs, a manifest at the end.

Files appear whole: each is written beside its place and moved there, so that a kill leaves no half file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dalign.errors import InputError

ROWS = "part-00000.parquet"
DROPPED = "dropped.parquet"
JOURNAL = "journal.jsonl"
MANIFEST = "manifest.json"
DROPPED_SCHEMA = {"id": pl.String, "category": pl.String, "reason": pl.String, "detail": pl.String}

Json = Any


def digest(value: Json) -> str:
    """sha256 of a JSON value, its keys sorted."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()
    ).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Writes a whole Parquet file, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    frame.write_parquet(temporary, statistics=False)
    os.replace(temporary, path)


@dataclass(frozen=True)
class StageFolder:
    """The folder of one stage's variant in a run."""

    run: Path
    stage: str
    variant: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.run / self.stage / self.variant

    @property
    def name(self) -> str:
        """`stage/variant`."""
        return f"{self.stage}/{self.variant}"

    def manifest(self) -> dict[str, Json] | None:
        """What the finished stage recorded; None while it has not finished."""
        path = self.path / MANIFEST
        if not path.is_file():
            return None
        try:
            return dict(json.loads(path.read_text("utf-8")))
        except ValueError as error:
            raise InputError(
                f"{path}: not a manifest ({error}); delete the folder {self.path} to run the stage again"
            ) from error

    def is_done(self, inputs: Mapping[str, Json]) -> bool:
        """Whether the stage has finished with exactly these inputs."""
        manifest = self.manifest()
        return manifest is not None and manifest["inputs_sha256"] == digest(inputs)

    def start(self, inputs: Mapping[str, Json]) -> None:
        """Makes the folder ready: what an earlier run with other inputs left is removed."""
        marker = self.path / "inputs.json"
        wanted = digest(inputs)
        if marker.is_file() and json.loads(marker.read_text("utf-8"))["inputs_sha256"] == wanted:
            (self.path / MANIFEST).unlink(missing_ok=True)
            return
        if self.path.exists():
            shutil.rmtree(self.path)
        write_text(
            marker, json.dumps({"inputs_sha256": wanted, "inputs": inputs}, indent=1, default=str)
        )

    def journal(self) -> Journal:
        """The rows made so far, and where new ones are written."""
        return Journal(self.path / JOURNAL)

    def finish(
        self,
        inputs: Mapping[str, Json],
        *,
        rows: pl.DataFrame,
        dropped: pl.DataFrame | None = None,
        counts: Mapping[str, Json] | None = None,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """Writes rows, dropped rows and manifest; the journal is done with.

        counts: what went in and came out, in numbers; facts: anything else worth knowing. Both are hashed with
        the rows, as what the next stage depends on; times are recorded apart (`record_cost`).
        """
        write_parquet(rows, self.path / ROWS)
        write_parquet(dropped if dropped is not None else empty_dropped(), self.path / DROPPED)
        output = {"rows": frame_digest(rows), "facts": facts or {}}
        manifest = {
            "stage": self.stage,
            "variant": self.variant,
            "inputs": inputs,
            "inputs_sha256": digest(inputs),
            "output_sha256": digest(output),
            "counts": dict(counts or {}),
            "facts": dict(facts or {}),
        }
        write_text(
            self.path / MANIFEST,
            json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n",
        )
        (self.path / JOURNAL).unlink(missing_ok=True)

    def record_cost(self, cost: Mapping[str, Json]) -> None:
        """Records times and memory beside the manifest: they are no part of the result."""
        write_text(self.path / "cost.json", json.dumps(dict(cost)) + "\n")

    def cost(self) -> dict[str, Json]:
        """What `record_cost` recorded; empty before."""
        path = self.path / "cost.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def rows(self) -> pl.DataFrame:
        """The stage's rows. Raises InputError when the stage has not run."""
        path = self.path / ROWS
        if not path.is_file():
            raise InputError(
                f"{path}: the stage {self.name} has not run yet; run it first (dalign {self.stage} --run {self.run})"
            )
        return pl.read_parquet(path)

    def dropped(self) -> pl.DataFrame:
        """The dropped rows with their reasons; empty where the stage drops none."""
        path = self.path / DROPPED
        return pl.read_parquet(path) if path.is_file() else empty_dropped()

    def output_sha256(self) -> str:
        """The hash of what the stage made; what a later stage's inputs name."""
        manifest = self.manifest()
        if manifest is None:
            raise InputError(
                f"{self.path}: the stage {self.name} has not finished; run it first (dalign {self.stage} --run {self.run})"
            )
        return str(manifest["output_sha256"])


class Journal:
    """Rows appended while a stage runs, one JSON object a line; a line cut by a kill is ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Json]]:
        """The whole lines; what follows a broken one is cut off, as the kill left it."""
        if not self.path.is_file():
            return []
        rows: list[dict[str, Json]] = []
        good = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    rows.append(json.loads(line))
                except ValueError:
                    break
                good += len(line)
        if good < self.path.stat().st_size:
            os.truncate(self.path, good)
        return rows

    def append(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Adds rows; they are on disk when this returns, short of a power cut."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows))


def empty_dropped() -> pl.DataFrame:
    """No dropped rows."""
    return pl.DataFrame(schema=DROPPED_SCHEMA)


def dropped_frame(rows: Sequence[tuple[str, str, str, str]]) -> pl.DataFrame:
    """Dropped rows from (id, category, reason, detail)."""
    return pl.DataFrame(list(rows), schema=DROPPED_SCHEMA, orient="row")


def frame_digest(frame: pl.DataFrame) -> str:
    """sha256 of a table's names, types and values, the same however it is stored."""
    columns = [f"{name}:{dtype}" for name, dtype in frame.schema.items()]
    hasher = hashlib.sha256("\n".join(columns).encode())
    for piece in frame.iter_slices(10_000):
        hasher.update(piece.write_ndjson().encode())
    return hasher.hexdigest()
