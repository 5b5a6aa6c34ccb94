"""Several processes that train together, led by this one: started, followed, ended with it, and with each other.

On GPUs process i takes device i. All are on this machine, and meet on its loopback interface.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.connection import wait
from operator import itemgetter
from pathlib import Path
from typing import Any

from dalign.errors import DalignError, WorkerError
from dalign.models.devices import check_devices
from dalign.models.servers import Program, free_port, tail_of
from dalign.train import wire
from dalign.train.checkpoints import FINAL, step_log
from dalign.train.job import (  # fmt: skip
    DistillJob,
    Job,
    Keeper,
    OnStep,
    RlJob,
    SftJob,
    Taught,
    TrainResult,
)
from dalign.train.ranks import LOCAL_RANK, WORLD_SIZE, require_one_process
from dalign.train.rl.rewards import Reward, RewardFunction

# What a process may ask, by name.
Answers = Mapping[str, Callable[..., Any]]
# The module that each process runs.
WORKER = "dalign.train.worker"
# Ctrl-C is seen so often.
_LOOK_S = 0.2
# Where one process is gone, the others fail for it, perhaps before it is seen that it is.
_CAUSE_S = 10.0
# A process that a signal ended exits with this and the signal's number (`models.watch`).
_BY_SIGNAL = 128


def lead_sft(job: SftJob, out: Path, on_step: OnStep) -> TrainResult:
    """See `dalign.train.run.train_sft`; trains in `job.devices` processes."""
    said = {"sft": wire.dump_sft(job), "out": str(out.absolute())}
    _lead(job, said, on_step, {})
    return TrainResult(out / FINAL, tuple(step_log(out).read()))


def lead_distill(job: DistillJob, out: Path, on_step: OnStep, keeper: Keeper) -> TrainResult:
    """See `dalign.train.run.train_distill`; trains in `job.devices` processes."""
    said = {"distill": wire.dump_distill(job), "out": str(out.absolute())}

    def taught(step: int, made: list[Any]) -> None:
        keeper.taught(step, [Taught(*each) for each in made])

    _lead(job, said, on_step, {"taught": taught, "save": keeper.save, "resume": keeper.resume})
    return TrainResult(out / FINAL, tuple(step_log(out).read()))


def lead_rl(
    job: RlJob, out: Path, reward: RewardFunction, on_step: OnStep, keeper: Keeper
) -> TrainResult:
    """See `dalign.train.run.train_rl`; trains in `job.devices` processes, and gives rewards in this one."""
    said = {"rl": wire.dump_rl(job), "out": str(out.absolute()), "weights": reward.weights}
    prompts = {prompt.id: prompt for step in job.prompts for prompt in step}

    def rewards(names: list[str], *of: list[Any]) -> list[Reward]:
        return reward([prompts[name] for name in names], *of)

    def rollouts(step: int, made: list[Any]) -> None:
        keeper.rollouts(step, [*map(wire.load_rollout, made)])

    answers: Answers = {"rewards": rewards, "rollouts": rollouts, "save": keeper.save, "resume": keeper.resume}  # fmt: skip
    _lead(job, said, on_step, answers)
    return TrainResult(out / FINAL, tuple(step_log(out).read()))


def _lead(job: Job, said: wire.Value, on_step: OnStep, answers: Answers) -> None:
    """Returns once all processes have ended well. Raises what one of them raised, or an answer raises."""
    require_one_process()
    check_devices(job.devices, "model.device", job.device)
    with ExitStack() as ends:
        place = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        port, processes = free_port(), list[Process]()
        for rank in range(job.devices):
            processes.append(Process(rank, job, port, place))
            ends.callback(processes[-1].end)
        for process in processes:
            process.say(said)
        _follow(processes, on_step, answers)


class Process:
    """One of the processes that train, and the line to it."""

    def __init__(self, rank: int, job: Job, port: int, place: Path) -> None:
        """Starts it. place: of its log."""
        self.rank, self.count = rank, job.devices
        self._log = place / f"{rank}.log"
        ours, theirs = socket.socketpair()
        with theirs:
            self.line = wire.Line(ours.detach())
            command = [sys.executable, "-P", "-m", WORKER, str(theirs.fileno())]
            env = os.environ | _environment(rank, job, port)
            self.program = Program(command, env, self._log, [theirs.fileno()])

    @property
    def who(self) -> str:
        """As sentences name it."""
        return f"process {self.rank} of the {self.count} that train"

    def say(self, said: wire.Value) -> None:
        """Tells it something; where it is gone already, that is seen as it is followed."""
        try:
            self.line.say(said)
        except OSError:
            return

    def end(self) -> None:
        """Ends it with all that it has started."""
        self.line.close()
        self.program.end()

    def gone(self) -> WorkerError:
        """Why it is gone, which has said nothing of that."""
        self.program.end()
        code = self.program.code() or 0
        how = "was ended from outside, perhaps for want of memory"
        if code < _BY_SIGNAL:
            last = tail_of(self._log, 1)
            how = f"has ended by itself (code {code}{last and f': {last}'})"
        elif code > _BY_SIGNAL:
            how += f" (signal {code - _BY_SIGNAL})"
        return WorkerError(f"{self.who} {how}; the same command goes on from here")


def _environment(rank: int, job: Job, port: int) -> dict[str, str]:
    """What launchers tell a process. Nothing of it leaves this machine."""
    inside = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    interface = {} if inside is None else dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), inside)  # fmt: skip
    return interface | {
        "RANK": str(rank),
        LOCAL_RANK: str(rank),
        WORLD_SIZE: str(job.devices),
        "LOCAL_WORLD_SIZE": str(job.devices),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": str(job.threads),
    }


def _follow(processes: Sequence[Process], on_step: OnStep, answers: Answers) -> None:
    working: dict[Any, Process] = {process.line.connection: process for process in processes}
    while working:
        for ready in wait(list(working), _LOOK_S):
            process = working[ready]
            heard = process.line.hear()
            if heard is None or "raised" in heard:
                raise _cause(process, heard, list(working.values()))
            if "step" in heard:
                step, total, loss = heard["step"]
                on_step(step, total, loss)
            elif "ask" in heard:
                process.say({"answered": answers[heard["ask"]](*heard["given"])})
            else:
                del working[ready]


def _cause(first: Process, heard: wire.Value | None, working: Sequence[Process]) -> DalignError:
    """Why a training failed: where one process is gone, or was refused something, the others fail for that."""
    others: dict[Any, Process] = {
        each.line.connection: each for each in working if each is not first
    }
    faults = list[tuple[float, str, wire.Value]]()
    process = first
    while heard is not None:
        raised = heard.get("raised")
        if raised and "fault" not in raised:
            return wire.load_error(raised, process.who)
        if raised:
            faults.append((raised["at_s"], process.who, raised))
        if raised or "ended" in heard:
            others.pop(process.line.connection, None)
        if not others or not (ready := wait(list(others), _CAUSE_S)):
            _, who, earliest = min(faults, key=itemgetter(0))
            return wire.load_error(earliest, who)
        process = others[ready[0]]
        heard = process.line.hear()
    return process.gone()
