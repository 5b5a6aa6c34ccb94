"""The folder of a training: its checkpoints, its log of steps and its result.

A checkpoint counts once `complete.json` lies in it, which is written last and has the hash of each
file; so one that was being written when the run was killed, or is damaged, is passed over, and the
one before it taken. What was added to one since is no part of it.

    OUT/job.json                what is trained: another job in the same folder is refused
    OUT/steps.jsonl             one row a step
    OUT/checkpoints/checkpoint-N
    OUT/final                   the result; there only when it is whole
    OUT/adapter                 with LoRA: what the result has that its start has not
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dalign.config import Method
from dalign.errors import InputError
from dalign.models.checkpoint import TOKENIZER_FILES
from dalign.store.damage import damaged, read_object
from dalign.store.memory import Journal
from dalign.store.seal import Seal, files_below, marks_in, marks_of, read_sealed, write_sealed
from dalign.store.whole_files import remove, set_by, write_text
from dalign.train.job import StepRow, TrainResult

CHECKPOINTS = "checkpoints"
FINAL = "final"
ADAPTER = "adapter"
MARKER = "complete.json"
# Kept so that there is one to fall back to while the next one is written.
KEPT_CHECKPOINTS = 2


def by_step(root: Path) -> dict[int, Path]:
    """The checkpoint folders under `root` by their optimiser steps, oldest first, complete or not."""
    named = {path.name.removeprefix("checkpoint-"): path for path in root.glob("checkpoint-*")}
    return dict(sorted((int(step), path) for step, path in named.items() if step.isdecimal()))


def complete(root: Path, step: int) -> None:
    """Makes the checkpoint of a step count, says of which files it consists, and removes old ones."""
    checkpoint = root / f"checkpoint-{step}"
    log = step_log(root.parent)
    mark_complete(checkpoint, [row for row in log.read() if row["step"] <= step])
    for old in list(by_step(root).values())[:-KEPT_CHECKPOINTS]:
        remove(old)


def mark_complete(folder: Path, log: Sequence[StepRow]) -> None:
    """Says of which files a folder consists, and how it came to be: a row a step."""
    marks = marks_of(folder, (path for path in files_below(folder) if path.name != MARKER))
    write_sealed(folder / MARKER, {"files": marks, "log": list(log)})


def log_of(folder: Path, out: Path) -> list[StepRow] | None:
    """A row a step of what a folder holds; None unless it is complete, and every file as it was written.

    A file that was added would be loaded with the others, or before them: it is moved to `out`.
    """
    try:
        marker = read_sealed(folder / MARKER)
        seal = Seal(folder, marks_in(folder / MARKER, marker))
    except InputError:
        return None
    for path, _ in list(seal.added(folder)):
        if path != folder / MARKER:
            set_by(path, out)
    return None if any(seal.changes()) else list(marker["log"])


def resume_point(out: Path) -> tuple[Path | None, int]:
    """The checkpoint to go on from and its step, the log put back to it; (None, 0) for a fresh start.

    Checkpoints that are not complete, or are damaged, are removed.
    """
    found: tuple[Path | None, int] = None, 0
    kept: list[StepRow] = []
    if not (out / CHECKPOINTS).is_dir():
        remove(out / CHECKPOINTS)
    for step, checkpoint in by_step(out / CHECKPOINTS).items():
        log = log_of(checkpoint, out)
        if log is None:
            remove(checkpoint)
        else:
            found, kept = (checkpoint, step), log
    _write_log(out, kept)
    return found


def _write_log(out: Path, rows: Sequence[StepRow]) -> None:
    log = step_log(out)
    write_text(log.path, "")
    log.append(rows)


def take_up(out: Path, identity: Mapping[str, Any]) -> TrainResult | None:
    """Makes `out` the folder of one job, and refuses it to another; the job's result, if it has ended there.

    Raises InputError naming what differs: a resumed training that mixes two jobs would be neither.
    """
    path = out / "job.json"
    wanted = json.loads(json.dumps(identity))
    if not path.is_file():
        write_text(path, json.dumps(wanted, indent=1, sort_keys=True) + "\n")
    try:
        found = read_object(path)
    except InputError as error:
        raise damaged(path, error.value, "delete it, and the training here goes on") from error
    keys = sorted(wanted.keys() | found.keys())
    if changed := [key for key in keys if wanted.get(key) != found.get(key)]:
        said = f"holds another training, which differs in {', '.join(changed)}; remove the folder or choose another"
        raise InputError.in_file(out, said, kind="changed_config")
    log = log_of(out / FINAL, out)
    if log is None:
        forget_result(out)
        return None
    remove(out / CHECKPOINTS)
    _write_log(out, log)
    return TrainResult(out / FINAL, tuple(log))


def forget_result(out: Path) -> None:
    """Removes what a training ended in, so that it ends anew."""
    remove(out / FINAL)


def lacks_adapter(out: Path, method: Method) -> bool:
    """Whether the adapter that a training by this method leaves beside its result is not there."""
    return method == "lora" and not (out / ADAPTER).is_dir()


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
