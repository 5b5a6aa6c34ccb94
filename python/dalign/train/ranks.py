"""Which of the processes that train is allowed to write: all that training knows of ranks.

Only the first deletes, renames and writes, and only there is the caller's keeper called; the others
wait and get what it got. So far training runs in one process alone, and more are refused.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from dalign.errors import InputError

# Where launchers say how many processes they start: torchrun and accelerate, and three of MPI.
PROCESS_COUNTS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
Got = TypeVar("Got")


def require_one_process() -> None:
    """Checks that this process trains alone.

    Raises InputError naming how many there are and who says so.
    """
    for name in PROCESS_COUNTS:
        count = os.environ.get(name, "1")
        if count.strip() not in ("", "0", "1"):
            raise _several(count, f"the environment says {name} = {count}", f"without {name}")
    group = _group()
    if group is not None and (size := group.get_world_size()) > 1:
        raise _several(str(size), "torch.distributed is set up", "without a launcher")


def _several(count: str, source: str, way_out: str) -> InputError:
    said = f"dalign runs, and trains, in one process, and here are {count} ({source}); several GPUs are not supported yet: start dalign by itself, {way_out}, on one device"
    return InputError(said, kind="several_processes")


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


def _group() -> Any:
    """torch.distributed where it is set up, else None; torch is not imported for it."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed
