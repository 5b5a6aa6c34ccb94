"""A run on disk: `RUN/<stage>/<variant>/` with rows, dropped rows, a journal while it runs, a manifest at the end.

Files appear whole: each is written beside its place and moved there, so that a kill leaves no half file.
A model's replies are kept with their keys (`replies*.parquet`): when a stage starts with other inputs, they
are set aside in `earlier.parquet`, and a request whose key is among them is not made again.
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

from dalign.errors import InputError, UnfinishedError

ROWS = "part-00000.parquet"
DROPPED = "dropped.parquet"
JOURNAL = "journal.jsonl"
MANIFEST = "manifest.json"
EARLIER = "earlier.parquet"
# key: a digest of all that determines the reply; tokens: those generated, the end token included.
REPLY_SCHEMA = {
    "id": pl.String,
    "key": pl.String,
    "text": pl.String,
    "finish": pl.String,
    "tokens": pl.UInt32,
}
# A request that failed for reasons outside it is asked again.
FAILED = ("error", "timeout")
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
        """Makes the folder ready: of what an earlier run with other inputs left, the replies are set aside."""
        marker = self.path / "inputs.json"
        wanted = digest(inputs)
        same = marker.is_file() and json.loads(marker.read_text("utf-8"))["inputs_sha256"] == wanted
        (self.path / MANIFEST).unlink(missing_ok=True)
        if same:
            return
        # Without its marker, a folder that a kill leaves half taken apart counts as nobody's.
        marker.unlink(missing_ok=True)
        _set_aside(self.path)
        write_text(
            marker, json.dumps({"inputs_sha256": wanted, "inputs": inputs}, indent=1, default=str)
        )

    def journal(self, part: str = "") -> Journal:
        """The rows made so far, and where new ones are written; one for each part of a stage that has several."""
        return Journal(self.path / (f"journal-{part}.jsonl" if part else JOURNAL))

    def taken_over(self) -> int:
        """How many replies come from an earlier run with other inputs; known until the stage has finished."""
        path = self.path / EARLIER
        if not path.is_file():
            return 0
        earlier = pl.read_parquet(path, columns=["key"])
        kept = [pl.read_parquet(replies, columns=["key"]) for replies in _replies_in(self.path)]
        return sum(frame.join(earlier, on="key", how="semi").height for frame in kept)

    def finish(
        self,
        inputs: Mapping[str, Json],
        *,
        rows: pl.DataFrame,
        dropped: pl.DataFrame | None = None,
        counts: Mapping[str, Json] | None = None,
        facts: Mapping[str, Json] | None = None,
        spec_versions: Mapping[str, str] | None = None,
    ) -> None:
        """Writes rows, dropped rows and manifest; the journals are done with.

        counts: what went in and came out, in numbers; facts: anything else worth knowing. Facts are hashed with
        the rows, as what the next stage depends on; times are recorded apart (`record_cost`).
        spec_versions: the versions of the policy that the stage read; no later stage depends on them.
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
        if spec_versions is not None:
            manifest["spec_versions"] = dict(spec_versions)
        write_text(
            self.path / MANIFEST,
            json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n",
        )
        for path in (*_journals_in(self.path), self.path / EARLIER):
            path.unlink(missing_ok=True)

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
            raise UnfinishedError(
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
            raise UnfinishedError(
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

    def earlier(self, keys: Mapping[str, str]) -> dict[str, dict[str, Json]]:
        """The replies that were set aside for requests with these keys. keys and result: by the request's id."""
        path = self.path.with_name(EARLIER)
        if not path.is_file() or not keys:
            return {}
        wanted = pl.DataFrame({"id": list(keys), "key": list(keys.values())})
        found = wanted.join(pl.read_parquet(path).drop("id"), on="key")
        return {row["id"]: row for row in found.select(list(REPLY_SCHEMA)).iter_rows(named=True)}

    def keep(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Writes the replies as a whole, for runs to come. Columns: `REPLY_SCHEMA`."""
        path = self.path.with_name(f"{self.path.stem.replace('journal', 'replies', 1)}.parquet")
        write_parquet(pl.DataFrame(list(rows), schema=REPLY_SCHEMA, orient="row"), path)


def _journals_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("journal*.jsonl"))


def _replies_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("replies*.parquet"))


def _set_aside(folder: Path) -> None:
    """Leaves of a stage's folder nothing but `earlier.parquet`: all replies that have a key, each once."""
    if not folder.exists():
        return
    kept = [path for path in (folder / EARLIER, *_replies_in(folder)) if path.is_file()]
    found = [pl.read_parquet(path) for path in kept]
    for path in _journals_in(folder):
        rows = [row for row in Journal(path).read() if "key" in row]
        found.append(pl.DataFrame(rows, schema=REPLY_SCHEMA, orient="row"))
    earlier = pl.concat(found) if found else pl.DataFrame(schema=REPLY_SCHEMA)
    earlier = earlier.filter(~pl.col("finish").is_in(FAILED)).unique("key", maintain_order=True)
    if earlier.height:
        write_parquet(earlier, folder / EARLIER)
    for path in sorted(folder.iterdir()):
        if path.name != EARLIER:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


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
