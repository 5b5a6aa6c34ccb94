"""Which of the processes that train is allowed to write: all that training knows of ranks.

Only the first deletes, renames and writes, and only there is the caller's keeper called; the others
wait and get what it got. The command itself is one process: `launch` starts those that train.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from dalign.errors import InputError
from dalign.models.devices import CPU, CUDA

# Where launchers say how many processes they start: torchrun and accelerate, and three of MPI.
WORLD_SIZE, LOCAL_RANK = "WORLD_SIZE", "LOCAL_RANK"
PROCESS_COUNTS = (WORLD_SIZE, "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
# Nobody waits so long: whoever leads the processes ends all of them once one is gone. A judge may take hours.
_PATIENCE = timedelta(days=30)
Got = TypeVar("Got")


def require_one_process() -> None:
    """Checks that this process is one by itself. Raises InputError naming how many there are and who says so."""
    require_processes(1)


def require_processes(count: int) -> None:
    """Checks that this process is one of so many. Raises InputError naming how many there are and who says so."""
    for name in PROCESS_COUNTS:
        found = os.environ.get(name, "1").strip() or "1"
        if found not in {str(count), "1", "0"}:
            raise _several(
                found, f"the environment says {name} = {found}", f"without {name}", count
            )
    group = _group()
    if group is not None and (size := group.get_world_size()) not in {1, count}:
        raise _several(str(size), "torch.distributed is set up", "without a launcher", count)


def _several(found: str, source: str, way_out: str, count: int) -> InputError:
    wanted = "one process" if count == 1 else f"{count} processes, as run.devices = {count} has it"
    said = f"dalign runs, and trains, in {wanted}, and here are {found} ({source}): start dalign by itself, {way_out}, and set run.devices to the devices that are to train together"
    return InputError(said, kind="several_processes")


def is_one_of(count: int) -> bool:
    """Whether a launcher has started this process as one of so many, more than one."""
    return count > 1 and os.environ.get(WORLD_SIZE, "").strip() == str(count)


@contextmanager
def joined(count: int, device: str) -> Iterator[None]:
    """Inside, this process belongs to the group of those that train; one alone needs none.

    device: of the job. On GPUs each takes its own, by its number.
    """
    if not is_one_of(count) or _group() is not None:
        yield
        return
    import torch

    backend = "gloo"
    if device != CPU:
        # Objects go by the CPU, where waiting takes nothing of the GPU.
        backend = f"{CPU}:gloo,{CUDA}:nccl"
        torch.cuda.set_device(int(os.environ[LOCAL_RANK]))
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def is_first() -> bool:
    """Whether this process may write."""
    group = _group()
    return group is None or group.get_rank() == 0


def on_first(act: Callable[[], Got]) -> Got:
    """What `act` returns on the first process, on each of them; no other one runs it.

    Where it fails there, it fails on each of them, so that none waits for ever.
    """
    group = _group()
    if group is None:
        return act()
    outcome: dict[str, Any] = {}
    if group.get_rank() == 0:
        try:
            outcome["returned"] = act()
        except Exception as error:  # noqa: BLE001 - raised on every process below
            outcome["raised"] = error
    shared = [outcome]
    group.broadcast_object_list(shared)
    if "raised" in shared[0]:
        raise shared[0]["raised"]
    return shared[0]["returned"]


def gathered(value: Got) -> list[Got]:
    """What each process has here, in their order; of one process alone its own."""
    group = _group()
    if group is None:
        return [value]
    found: list[Any] = [None] * group.get_world_size()
    group.all_gather_object(found, value)
    return found


def await_all() -> None:
    """Returns once every process has come as far as this."""
    group = _group()
    if group is not None:
        group.barrier()


def _group() -> Any:
    """torch.distributed where it is set up, else None; torch is not imported for it."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed
