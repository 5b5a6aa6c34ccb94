"""Runs a plan: what is done is skipped, what does not wait for another runs side by side."""

from __future__ import annotations

import multiprocessing
import os
import queue
import resource
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from dalign.config import Config
from dalign.errors import WorkerError
from dalign.pipeline.context import RunContext
from dalign.pipeline.plan import Node, make_plan
from dalign.progress import Progress


def run_plan(ctx: RunContext, nodes: Sequence[Node]) -> list[str]:
    """Runs the nodes that are not done, in order or side by side; returns the names of those that ran."""
    workers = min(ctx.config.run.workers, len(nodes))
    if workers <= 1:
        return [node.name for node in nodes if run_node(ctx, node)]
    return _side_by_side(ctx, nodes, workers)


def run_node(ctx: RunContext, node: Node) -> bool:
    """Runs a node unless it is done; returns whether it ran. What it cost is recorded beside its rows."""
    folder = ctx.folder(node.stage, node.variant)
    if node.is_done(ctx):
        ctx.progress.say(f"{node.name}: done before")
        return False
    folder.start(node.inputs(ctx))
    _reset_peak()
    wall, cpu = time.perf_counter(), _cpu_s()
    node.run(ctx, folder)
    cost = {
        "wall_s": round(time.perf_counter() - wall, 3),
        "cpu_s": round(_cpu_s() - cpu, 3),
        "peak_rss_mib": _peak_mib(),
    }
    folder.record_cost(cost)
    return True


def _cpu_s() -> float:
    own, children = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _reset_peak() -> None:
    """Starts the process's peak memory anew, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_mib() -> float:
    """Peak resident memory of this process since `_reset_peak`, in MiB."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        pass
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


class _Relay:
    """A worker's progress: handed to the parent, which shows it."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def start(self, name: str, total: int) -> None:
        self._messages.put(("start", name, total))

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


_worker_context: RunContext | None = None


def _start_worker(
    config: str, run: Path, checkpoints: Mapping[str, Path], messages: Any, parent: int
) -> None:
    global _worker_context
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()
    _worker_context = RunContext(
        Config.model_validate_json(config), run, checkpoints, _Relay(messages)
    )


def _leave_with_parent(parent: int) -> None:
    """Ends this worker when its parent is gone: a killed run leaves nobody writing into its folder."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _work(stage: str, variant: str) -> bool:
    assert _worker_context is not None
    node = next(n for n in make_plan(_worker_context) if (n.stage, n.variant) == (stage, variant))
    return run_node(_worker_context, node)


def _side_by_side(ctx: RunContext, nodes: Sequence[Node], workers: int) -> list[str]:
    """The nodes in a pool of processes, each as soon as what it needs is done, those first in the list first."""
    spawn = multiprocessing.get_context("spawn")
    messages = spawn.Queue()
    ended = threading.Event()
    shower = threading.Thread(target=_show, args=(messages, ctx.progress, ended), daemon=True)
    shower.start()
    state = (ctx.config.model_dump_json(), ctx.run, dict(ctx.checkpoints), messages, os.getpid())
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker, initargs=state)
    try:
        ran = _schedule(pool, nodes, workers)
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process was ended from outside, perhaps for want of memory; "
            "the same command goes on from here, with --set run.workers=1 in less memory"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ended.set()
        shower.join()
    return ran


def _schedule(pool: ProcessPoolExecutor, nodes: Sequence[Node], workers: int) -> list[str]:
    """Submits a node when a worker is free and its needs are met; the first error ends the run."""
    waiting = list(nodes)
    named = {node.name for node in nodes}
    finished: set[str] = set()
    running: dict[Future[bool], Node] = {}
    ran: list[str] = []
    while waiting or running:
        for node in list(waiting):
            ready = all(need in finished or need not in named for need in node.needs)
            if ready and len(running) < workers:
                waiting.remove(node)
                running[pool.submit(_work, node.stage, node.variant)] = node
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            node = running.pop(future)
            if future.result():
                ran.append(node.name)
            finished.add(node.name)
    return ran
