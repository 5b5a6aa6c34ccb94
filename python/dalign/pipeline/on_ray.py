"""Chunks of a stage worked on by a cluster: Ray Data over the same functions and parts.

A worker opens the run's inputs and its models by itself, reads its chunk from the parts of the stage
before, and keeps the replies beside the others: all machines see the run's folder at the same path.
"""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from dalign.config import Config
from dalign.errors import DalignError, InputError, MissingExtraError, WorkerError, outside
from dalign.models.spending import Meter, as_json, spent_of
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, read_project
from dalign.store.folder import Chunk, Made, Spread, StageFolder
from dalign.store.run import RunFolder

# Memory for what is between driver and workers, where the cluster is this machine alone.
_OBJECTS_BYTES = 512 << 20
# A machine that is there accepts a connection at once.
_CONNECT_S = 10.0


def spread_on_ray(
    config: Config, engines: Engines, folder: StageFolder, told: Callable[[Mapping[str, int]], None]
) -> Spread[Any]:
    """Has the workers of `run.ray` work on chunks; of each the number goes out, and what is made of it comes back in order.

    told: hears what each chunk counts. Raises MissingExtraError without Ray.
    """

    def spread(
        chunks: Iterable[tuple[int, Chunk]], _work: Callable[[int, Chunk], Made]
    ) -> Iterator[tuple[int, Made]]:
        numbers = [number for number, _ in chunks]
        if not numbers:
            return
        own = _connected(config)
        try:
            for row in _rows(config, engines, folder, numbers):
                number, made = _made_of(row, engines.meter)
                told(made.counts)
                yield number, made
        finally:
            if own:
                import ray

                ray.shutdown()

    return spread


def _connected(config: Config) -> bool:
    """Joins the cluster, or makes one of this machine alone; whether this process is to leave it."""
    # Before Ray is read: it would report its use.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        said = "run.executor = 'ray' needs Ray; install it with: pip install 'dalign[ray]'"
        raise MissingExtraError(said) from error
    if ray.is_initialized():
        return False
    settings = config.run.ray
    how: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if settings.address is None:
        cpus = max(1, round(settings.workers * settings.cpus + 1))
        how |= {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        how |= {"object_store_memory": _OBJECTS_BYTES}
    try:
        # Ray itself would try for minutes.
        host, _, port = (settings.address or "").removeprefix("ray://").rpartition(":")
        if host and port.isdecimal():
            socket.create_connection((host, int(port)), _CONNECT_S).close()
        with _silent():
            ray.init(address=settings.address or "local", **how)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        said = f"run.ray.address = {settings.address!r}: no Ray cluster answers there ({reason}); start it with `ray start --head`, or leave the address out for this machine alone"
        raise InputError(
            said, kind="server", key="run.ray.address", value=settings.address
        ) from error
    return True


@contextmanager
def _silent() -> Iterator[None]:
    """Without what native code prints: that it was told to print less."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _rows(
    config: Config, engines: Engines, folder: StageFolder, numbers: list[int]
) -> Iterator[dict[str, Any]]:
    """What the workers give back, a row a chunk, in the order of the numbers."""
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    settings, run = config.run.ray, folder.run.absolute()
    opened = (config.model_dump_json(), engines.known(), str(run), folder.name)
    rows = ray.data.from_items([{"number": number} for number in numbers])
    made = rows.repartition(len(numbers)).map_batches(
        Worker,
        fn_constructor_args=opened,
        compute=ActorPoolStrategy(size=min(settings.workers, len(numbers))),
        num_cpus=settings.cpus,
        num_gpus=settings.gpus,
        batch_size=1,
        batch_format="numpy",
    )
    try:
        yield from made.iter_rows()
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        said = f"{folder.name}: a worker of the Ray cluster has failed ({reason}); the same command goes on from here"
        raise WorkerError(said) from error


def _made_of(row: Mapping[str, Any], meter: Meter) -> tuple[int, Made]:
    """A chunk's number and what was made of it. Raises what the worker met."""
    told = json.loads(row["told"])
    meter.merge({key: spent_of(value) for key, value in told["taken"].items()})
    if error := told.get("error"):
        said, kind = error["said"], error["kind"]
        raise DalignError(said, kind=kind, row=error["row"], key=error["key"])
    tables, packed = {}, io.BytesIO(row["tables"])
    for name, size in told["sizes"].items():
        tables[name] = pl.read_ipc(io.BytesIO(packed.read(size)))
    return int(row["number"]), Made(tables, told["counts"])


class Worker:
    """A process of the cluster: opens the run once, and works on the chunks that it is given by their numbers."""

    def __init__(self, config: str, known: dict[str, str], run: str, stage: str) -> None:
        self._settings, self._run = Config.model_validate_json(config), RunFolder(Path(run))
        self._known, self._stage, self._meter = known, stage, Meter(stage=stage)
        self._opened: tuple[Engines, Project] | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Chunks by their numbers; of each what was made of it, or what was met."""
        import numpy as np

        rows = [self._row(int(number)) for number in batch["number"]]
        columns = {"told": [json.dumps(told) for told, _ in rows], "tables": [t for _, t in rows]}
        # As objects: an array of bytes forgets the zeros at their ends.
        return {
            "number": batch["number"],
            **{n: np.array(c, dtype=object) for n, c in columns.items()},
        }

    def _row(self, number: int) -> tuple[dict[str, Any], bytes]:
        self._meter.taken.clear()
        try:
            made = self._work(number)
        except Exception as error:
            # Of what Ray would wrap only the text would come through.
            met = outside(error)
            if met is None:
                raise
            what = {"said": str(met), "kind": met.kind, "row": met.row, "key": met.key}
            return {"error": what, "taken": self._taken()}, b""
        packed = {name: _packed(frame) for name, frame in made.tables.items()}
        sizes = {name: len(each) for name, each in packed.items()}
        told = {"counts": dict(made.counts), "sizes": sizes, "taken": self._taken()}
        return told, b"".join(packed.values())

    def _taken(self) -> dict[str, Any]:
        return {key: as_json(spent) for key, spent in self._meter.taken.items()}

    def _work(self, number: int) -> Made:
        if self._opened is None:
            if not self._run.inputs.is_dir():
                said = f"{self._run.path}: a worker sees no such folder; all machines need the run's folder at the same path"
                raise InputError(said, kind="missing_folder", path=self._run.path)
            engines = Engines(self._settings, self._known, meter=self._meter)
            self._opened = engines, read_project(self._settings, self._run.inputs, engines.budget())
        engines, project = self._opened
        folder = replace(self._run.stage(self._stage), chunk=number)
        of_stage = import_module(f"dalign.pipeline.stages.{folder.stage}")
        work = of_stage.on_worker(project, engines, self._run, folder)
        made: Made = work.make(number, work.nth(number))
        return made


def _packed(frame: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.write_ipc(written)
    return written.getvalue()
