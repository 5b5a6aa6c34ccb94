"""The folder of a training: its checkpoints, its log of steps and its result.

A checkpoint counts once `complete.json` lies in it, which is written last; so a checkpoint that was
being written when the run was killed is passed over, and the one before it taken.

    OUT/job.json                what is trained: another job in the same folder is refused
    OUT/steps.jsonl             one row a step
    OUT/checkpoints/checkpoint-N
    OUT/final                   the result; there only when it is whole
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dalign.errors import InputError
from dalign.models.checkpoint import TOKENIZER_FILES
from dalign.store.damage import reading
from dalign.store.memory import Journal
from dalign.store.whole_files import write_text
from dalign.train.job import TrainResult

CHECKPOINTS = "checkpoints"
FINAL = "final"
MARKER = "complete.json"
# Kept so that there is one to fall back to while the next one is written.
KEPT_CHECKPOINTS = 2


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file under `folder`, the marker aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}


def by_step(root: Path) -> dict[int, Path]:
    """The checkpoint folders under `root` by their optimiser steps, oldest first, complete or not."""
    named = {path.name.removeprefix("checkpoint-"): path for path in root.glob("checkpoint-*")}
    return dict(sorted((int(step), path) for step, path in named.items() if step.isdecimal()))


def complete(root: Path, step: int) -> None:
    """Makes the checkpoint of a step count, says of which files it consists, and removes old ones."""
    checkpoint = root / f"checkpoint-{step}"
    write_text(checkpoint / MARKER, json.dumps(sizes(checkpoint)))
    for old in list(by_step(root).values())[:-KEPT_CHECKPOINTS]:
        shutil.rmtree(old)


def is_complete(checkpoint: Path) -> bool:
    """Whether every file of a checkpoint is there at its full size."""
    marker = checkpoint / MARKER
    return marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == sizes(checkpoint)


def resume_point(out: Path) -> tuple[Path | None, int]:
    """The checkpoint to go on from and its step, the log cut to it; (None, 0) for a fresh start.

    Checkpoints that are not complete are removed.
    """
    found: tuple[Path | None, int] = None, 0
    for step, checkpoint in by_step(out / CHECKPOINTS).items():
        if is_complete(checkpoint):
            found = checkpoint, step
        else:
            shutil.rmtree(checkpoint)
    log = step_log(out)
    kept = [json.dumps(row) + "\n" for row in log.read() if row["step"] <= found[1]]
    write_text(log.path, "".join(kept))
    return found


def take_up(out: Path, identity: Mapping[str, Any]) -> TrainResult | None:
    """Makes `out` the folder of one job, and refuses it to another; the job's result, if it has ended there.

    Raises InputError naming what differs: a resumed training that mixes two jobs would be neither.
    """
    path = out / "job.json"
    wanted = json.loads(json.dumps(identity))
    if not path.is_file():
        write_text(path, json.dumps(wanted, indent=1, sort_keys=True) + "\n")
    with reading(path):
        found = json.loads(path.read_text(encoding="utf-8"))
    keys = sorted(wanted.keys() | found.keys())
    if changed := [key for key in keys if wanted.get(key) != found.get(key)]:
        said = f"{out}: holds another training, which differs in {', '.join(changed)}; remove the folder or choose another"
        raise InputError(said)
    if not (out / FINAL).is_dir():
        return None
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return TrainResult(out / FINAL, tuple(step_log(out).read()))


def step_log(out: Path) -> Journal:
    """One row of JSON a step; a resumed run goes on writing where its checkpoint stands."""
    return Journal(out / "steps.jsonl")


def copy_tokenizer(start: Path, target: Path) -> None:
    """Copies the tokenizer's files byte by byte, so that text stays the same tokens."""
    for path in (path for pattern in TOKENIZER_FILES for path in start.glob(pattern)):
        if path.is_dir():
            shutil.copytree(path, target / path.name, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, target / path.name)
