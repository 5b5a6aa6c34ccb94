"""Runs a plan: what is done is skipped, what does not wait for another runs side by side."""

from __future__ import annotations

import multiprocessing
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from dalign.config import Config
from dalign.errors import WorkerError
from dalign.files.sift import peak_mib
from dalign.models.spending import Meter, Spent
from dalign.pipeline.engines import Engines
from dalign.pipeline.plan import ADMIT, make_plan
from dalign.pipeline.project import Project, read_project
from dalign.pipeline.stage import Stage
from dalign.pipeline.stages.admit import check_admitted
from dalign.progress import Progress, Watched
from dalign.store.memory import lacks_replies
from dalign.store.run import RunFolder


@dataclass(frozen=True)
class Opened:
    """What a process works with: the run's inputs, its engines, its folder, and where it says how far it is.

    retry_missing: stages for which some reply never came run anew, with the replies that did.
    """

    project: Project
    engines: Engines
    run: RunFolder
    progress: Progress
    retry_missing: bool = False


def run_plan(opened: Opened, stages: Sequence[Stage]) -> list[str]:
    """Runs the stages that are not done, in order or side by side; returns the names of those that ran."""
    workers = min(opened.project.config.run.workers, len(stages))
    if workers <= 1:
        return [stage.name for stage in stages if run_stage(opened, stage)]
    return _side_by_side(opened, stages, workers)


def run_stage(opened: Opened, stage: Stage) -> bool:
    """Runs a stage unless it is done; returns whether it ran. What it cost is recorded beside its rows."""
    project, engines, run = opened.project, opened.engines, opened.run
    folder, inputs = run.stage(stage.name), stage.inputs(project, engines, run)
    faults = folder.faults()
    anew = opened.retry_missing and not faults and lacks_replies(folder.path)
    if not faults and not anew and folder.is_done(inputs):
        opened.progress.say(f"{stage.name}: done before")
        return False
    for path, what in faults:
        opened.progress.say(
            f"{path}: damaged or lost ({what}); {stage.name} is redone as far as needed"
        )
    for need in stage.needs:
        run.stage(need).output_sha256()
        if need == ADMIT:
            check_admitted(project, engines, run)
    folder.start(inputs, project.config.run.part_rows, anew=anew)
    # The process's peak memory starts anew, where the system can do so (Linux).
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    wall, cpu = time.perf_counter(), _cpu_s()
    engines.meter.stage = stage.name
    progress = Watched(opened.progress, engines.meter.look)
    folder.finish(inputs, stage.drive(project, engines, run, folder, progress))
    wall, cpu = round(time.perf_counter() - wall, 3), round(_cpu_s() - cpu, 3)
    folder.record_cost({"wall_s": wall, "cpu_s": cpu, "peak_rss_mib": round(peak_mib(), 1)})
    return True


def _cpu_s() -> float:
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


class _Relay(Progress):
    """A worker's progress: handed to the parent, which shows it."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def start(self, name: str, total: int, since: float | None = None) -> None:
        self._messages.put(("start", name, total, since or time.monotonic()))

    def skip(self, name: str, steps: int) -> None:
        self._messages.put(("skip", name, steps))

    def advance(self, name: str, done: int, note: str = "") -> None:
        self._messages.put(("advance", name, done, note))

    def finish(self, name: str, note: str = "") -> None:
        self._messages.put(("finish", name, note))

    def say(self, text: str) -> None:
        self._messages.put(("say", text))


def _show(messages: Any, progress: Progress, ended: threading.Event) -> None:
    """Shows what the workers say until `ended` is set and nothing is left."""
    while True:
        try:
            kind, *values = messages.get(timeout=0.1)
        except queue.Empty:
            if ended.is_set():
                return
            continue
        getattr(progress, kind)(*values)


_CLEARED_UP = "ignore::UserWarning:multiprocessing.resource_tracker"
_worker: Opened | None = None
# Of a worker's stage: whether it ran, what it took of the models, and what it met.
_Worked = tuple[bool, dict[str, Spent], Exception | None]


def _start_worker(
    config: str, known: dict[str, str], run: Path, messages: Any, parent: int, retry: bool
) -> None:
    global _worker
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()
    settings, folder = Config.model_validate_json(config), RunFolder(run)
    engines = Engines(settings, known)
    project = read_project(settings, folder.inputs, engines.budget())
    _worker = Opened(project, engines, folder, _Relay(messages), retry)


def _leave_with_parent(parent: int) -> None:
    """Ends this worker when its parent is gone: a killed run leaves nobody writing into its folder."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _work(name: str) -> _Worked:
    assert _worker is not None
    stage = next(stage for stage in make_plan(_worker.project.config) if stage.name == name)
    taken = _worker.engines.meter.taken
    taken.clear()
    try:
        return run_stage(_worker, stage), dict(taken), None
    except Exception as error:  # noqa: BLE001 - raised where what was taken is counted
        return False, dict(taken), error


def _side_by_side(opened: Opened, stages: Sequence[Stage], workers: int) -> list[str]:
    """The stages in a pool of processes, each as soon as what it needs is done, those first in the list first."""
    spawn = multiprocessing.get_context("spawn")
    with _uninterrupted():
        messages = spawn.Queue()
    ended = threading.Event()
    shower = threading.Thread(target=_show, args=(messages, opened.progress, ended), daemon=True)
    shower.start()
    config = opened.project.config.model_dump_json()
    known, parent = opened.engines.known(), os.getpid()
    state = (config, known, opened.run.path, messages, parent, opened.retry_missing)
    running: dict[Future[_Worked], Stage] = {}
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker, initargs=state)
    try:
        return _schedule(pool, stages, workers, opened.engines.meter, running)
    except BrokenProcessPool as error:
        said = "a worker process was ended from outside, perhaps for want of memory; the same command goes on from here, with --set run.workers=1 in less memory"
        raise WorkerError(said) from error
    except BaseException as error:
        # Ctrl-C in a program: what the workers have in hand would be waited for.
        if not isinstance(error, Exception):
            for worker in multiprocessing.active_children():
                worker.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for future in running:
            if future.done() and not future.cancelled() and future.exception() is None:
                opened.engines.meter.merge(future.result()[1])
        ended.set()
        shower.join()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started inside never sees Ctrl-C: it is stopped by this process, or with it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # It lets the signal in where it is started. What is left to it when a run is stopped is its work, and no news.
    if _CLEARED_UP not in sys.warnoptions:
        sys.warnoptions.append(_CLEARED_UP)
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _schedule(
    pool: ProcessPoolExecutor,
    stages: Sequence[Stage],
    workers: int,
    meter: Meter,
    running: dict[Future[_Worked], Stage],
) -> list[str]:
    """Submits a stage when a worker is free and its needs are met; the first error ends the run. running: gets what is in work."""
    waiting, unfinished = list(stages), {stage.name for stage in stages}
    ran: list[str] = []
    while waiting or running:
        for stage in list(waiting):
            if unfinished.isdisjoint(stage.needs) and len(running) < workers:
                waiting.remove(stage)
                with _uninterrupted():
                    running[pool.submit(_work, stage.name)] = stage
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            stage = running.pop(future)
            did_run, taken, error = future.result()
            meter.merge(taken)
            if error is not None:
                raise error
            if did_run:
                ran.append(stage.name)
            unfinished.remove(stage.name)
    return ran
