"""Chunks of a stage worked on by a cluster: Ray Data over the same functions and parts.

A worker opens the run's inputs and its models by itself, reads its chunk from the parts of the stage
before, and keeps the replies beside the others: all machines see the run's folder at the same path.
"""

from __future__ import annotations

import io
import json
import logging
import os
import secrets
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from dalign import config
from dalign.config import Config
from dalign.errors import (
    DalignError,
    InputError,
    MissingExtraError,
    ServerError,
    WorkerError,
    outside,
)
from dalign.models.ask import Ask, Failure
from dalign.models.protocol import Reply, Telling
from dalign.models.spending import Meter, as_json, spent_of
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, read_project
from dalign.pipeline.stage import Chunked
from dalign.progress import Progress
from dalign.store.folder import Chunk, Made, Spread, StageFolder
from dalign.store.ledger import LOGS
from dalign.store.run import RunFolder

# Memory for what is between driver and workers, where the cluster is this machine alone.
_OBJECTS_BYTES = 512 << 20
# A cluster that is there answers within this many seconds; Ray itself would wait for minutes.
_ANSWERS_S = 40.0
# How often a worker that dies is started again, and what it had in hand given to another.
_MOST_DEATHS = 3


def spread_on_ray(
    config: Config,
    engines: Engines,
    folder: StageFolder,
    ask: Ask | None,
    replies: Callable[[Mapping[str, int]], tuple[int, int]],
) -> Spread[Any]:
    """Has the workers of `run.ray` work on chunks; of each the number goes out, and what is made of it comes back in order.

    ask: hears of the replies that each chunk had. Raises MissingExtraError without Ray.
    """

    def spread(
        chunks: Iterable[tuple[int, Chunk]], _work: Callable[[int, Chunk], Made]
    ) -> Iterator[tuple[int, Made]]:
        numbers = [number for number, _ in chunks]
        if not numbers:
            return
        own = _connected(config.run.ray)
        heard = set[str]()
        try:
            for row in _rows(config, engines, folder, numbers):
                told = json.loads(row["told"])
                engines.meter.merge({k: spent_of(each) for k, each in told["taken"].items()})
                made = _made_of(row, told)
                if ask is not None:
                    _tell(ask, told, heard, replies(made.counts), made.counts)
                yield int(row["number"]), made
        finally:
            if own:
                import ray

                ray.shutdown()

    return spread


def _tell(
    ask: Ask,
    told: Mapping[str, Any],
    heard: set[str],
    replies: tuple[int, int],
    counts: Mapping[str, int],
) -> None:
    """Says what a worker heard, each sentence once, and counts what it was answered."""
    for sentence in told["said"]:
        if sentence not in heard:
            heard.add(sentence)
            if isinstance(ask.engine, Telling):
                ask.engine.say(sentence)
    failed = [Failure(kind, n, Reply(**first)) for kind, n, first in told["failed"]]
    ask.note(*replies, counts.get("taken_over", 0), failed)
    ask.spare(counts.get("spared", 0))


def _connected(settings: config.Ray) -> bool:
    """Joins the cluster, or makes one of this machine alone; whether this process is to leave it."""
    # Before Ray is read: it would report its use, and take work from whoever finds its port.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if settings.address is None and "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError as error:
        said = "run.executor = 'ray' needs Ray; install it with: pip install 'dalign[ray]'"
        raise MissingExtraError(said) from error
    if ray.is_initialized():
        return False
    how: dict[str, Any] = {"logging_level": "CRITICAL", "log_to_driver": False}
    if settings.address is None:
        cpus = max(1, round(settings.workers * settings.cpus + 1))
        how |= {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _OBJECTS_BYTES}
    elif what := _no_answer(settings.address):
        raise _not_there(settings.address, what)
    try:
        with _silent():
            ray.init(address=settings.address or "local", **how)
    except (OSError, RuntimeError, ValueError) as error:
        raise _not_there(settings.address, _first_line(error)) from error
    _check_room(settings, ray.nodes())
    return True


def _no_answer(address: str) -> str:
    """Why no cluster answers at an address; empty where one does."""
    at = [] if address == "auto" else ["--address", address.removeprefix("ray://")]
    line = [sys.executable, "-m", "ray.scripts.scripts", "health-check", *at]
    try:
        asked = subprocess.run(
            line, capture_output=True, text=True, timeout=_ANSWERS_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"nobody within {_ANSWERS_S:.0f} s"
    said = (asked.stderr.strip().splitlines() or ["nothing is said"])[-1]
    return said[-200:] if asked.returncode else ""


def _not_there(address: str | None, what: str) -> InputError:
    said = f"run.ray.address = {address!r}: no Ray cluster answers there ({what}); start it with `ray start --head`, or leave the address out for this machine alone"
    return InputError(said, kind="server", key="run.ray.address", value=address)


def _check_room(settings: config.Ray, nodes: list[dict[str, Any]]) -> None:
    """Raises InputError where no machine has what a worker is to have: it would be waited for without end."""
    for key, name, wanted in (("cpus", "CPU", settings.cpus), ("gpus", "GPU", settings.gpus)):
        most = max((n["Resources"].get(name, 0.0) for n in nodes if n.get("Alive")), default=0.0)
        if wanted > most:
            import ray

            ray.shutdown()
            said = f"run.ray.{key} = {wanted:g}: no machine of the cluster has as many; the largest has {most:g}"
            raise InputError(
                said, kind="out_of_range", key=f"run.ray.{key}", value=wanted, limit=most
            )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


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

    # What goes wrong is said in a sentence of our own.
    for name in ("ray", "ray.data", "ray.data.exceptions", "ray.data._internal.execution"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    settings, run = config.run.ray, folder.run.absolute()
    opened = (config.model_dump_json(), engines.known(), str(run), folder.name)
    rows = ray.data.from_items([{"number": number} for number in numbers])
    with warnings.catch_warnings():
        # How often a worker is started again has no other way in.
        warnings.simplefilter("ignore")
        made = rows.repartition(len(numbers)).map_batches(
            Worker,
            fn_constructor_args=opened,
            compute=ActorPoolStrategy(size=min(settings.workers, len(numbers))),
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            batch_size=1,
            batch_format="numpy",
            max_restarts=_MOST_DEATHS,
            max_task_retries=_MOST_DEATHS,
        )
    try:
        yield from made.iter_rows()
    except ray.exceptions.RayError as error:
        raise _lost(folder, error) from error


def _lost(folder: StageFolder, error: Exception) -> WorkerError:
    """What Ray says of its workers, in a sentence."""
    cause: BaseException = getattr(error, "cause", None) or error
    what = f"{type(cause).__name__}: {_first_line(cause)}"
    way_out = "the same command goes on from here"
    if "No module named" in what:
        way_out = "install the same dalign, with what it needs, on every machine"
    elif "Actor" in type(cause).__name__ or "Died" in type(cause).__name__:
        way_out = f"it was started {_MOST_DEATHS} times more; where it had too little memory, lower model.batch_size or run.ray.workers"
    said = f"{folder.name}: a worker of the Ray cluster is lost ({what}); {way_out}"
    return WorkerError(said)


def _made_of(row: Mapping[str, Any], told: Mapping[str, Any]) -> Made:
    """What was made of a chunk. Raises what the worker met."""
    if error := told.get("error"):
        kinds: dict[str, type[DalignError]] = {"server": ServerError, "worker": WorkerError}
        said, kind = error["said"], error["kind"]
        path = None if error["path"] is None else Path(error["path"])
        kind_of = kinds.get(kind, InputError)
        raise kind_of(said, kind=kind, path=path, row=error["row"], key=error["key"])
    tables, packed = {}, io.BytesIO(row["tables"])
    for name, size in told["sizes"].items():
        tables[name] = pl.read_ipc(io.BytesIO(packed.read(size)))
    return Made(tables, told["counts"])


class _Heard(Progress):
    """Keeps the sentences that are said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class Worker:
    """A process of the cluster: opens the run once, and works on the chunks that it is given by their numbers."""

    def __init__(self, config: str, known: dict[str, str], run: str, stage: str) -> None:
        self._settings, self._run = Config.model_validate_json(config), RunFolder(Path(run))
        self._known, self._stage, self._meter = known, stage, Meter(stage=stage)
        self._heard = _Heard()
        self._work: Chunked | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Chunks by their numbers; of each what was made of it, or what was met."""
        import numpy as np

        rows = [self._row(int(number)) for number in batch["number"]]
        columns = {"told": [json.dumps(told) for told, _ in rows], "tables": [t for _, t in rows]}
        # As objects: an array of bytes forgets the zeros at their ends.
        made = {n: np.array(c, dtype=object) for n, c in columns.items()}
        return {"number": batch["number"], **made}

    def _row(self, number: int) -> tuple[dict[str, Any], bytes]:
        self._meter.taken.clear()
        self._heard.said.clear()
        try:
            made = self._made(number)
        except Exception as error:  # noqa: BLE001 - of what Ray would wrap only the text would come through
            return {"error": self._met(error), **self._told()}, b""
        packed = {name: _packed(frame) for name, frame in made.tables.items()}
        sizes = {name: len(each) for name, each in packed.items()}
        told = {"counts": dict(made.counts), "sizes": sizes, **self._told()}
        return told, b"".join(packed.values())

    def _told(self) -> dict[str, Any]:
        """What the chunk took, what was said, and what never came."""
        ask = self._work.ask if self._work else None
        failed = [] if ask is None else ask.failed()
        first = [(kind, count, {**asdict(reply), "others": ()}) for kind, count, reply in failed]
        taken = {key: as_json(spent) for key, spent in self._meter.taken.items()}
        return {"taken": taken, "said": list(self._heard.said), "failed": first}

    def _met(self, error: Exception) -> dict[str, Any]:
        met = outside(error)
        if met is None:
            logs = self._run.path / LOGS
            logs.mkdir(exist_ok=True)
            log = logs / f"ray-{self._stage.replace('/', '-')}.log"
            with log.open("a") as file:
                file.write(traceback.format_exc())
            what = f"{type(error).__name__}: {_first_line(error)}"
            said = f"{self._stage}: a fault of the program in a worker ({what}); see {log}"
            met = WorkerError(said)
        path = None if met.path is None else str(met.path)
        return {"said": str(met), "kind": met.kind, "path": path, "row": met.row, "key": met.key}

    def _made(self, number: int) -> Made:
        if self._work is None:
            if not self._run.inputs.is_dir():
                said = f"{self._run.path}: a worker sees no such folder; all machines need the run's folder at the same path"
                raise InputError(said, kind="missing_folder", path=self._run.path)
            engines = Engines(self._settings, self._known, meter=self._meter)
            project: Project = read_project(self._settings, self._run.inputs, engines.budget())
            folder = replace(self._run.stage(self._stage), beside=True)
            of_stage = import_module(f"dalign.pipeline.stages.{folder.stage}")
            self._work = of_stage.on_worker(project, engines, self._run, folder, self._heard)
        return self._work.make(number, self._work.nth(number))


def _packed(frame: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.write_ipc(written)
    return written.getvalue()
