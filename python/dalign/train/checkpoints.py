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
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dalign.errors import InputError
from dalign.store.whole_files import write_text
from dalign.train.job import StepRow, TrainResult

CHECKPOINTS = "checkpoints"
FINAL = "final"
MARKER = "complete.json"
# Kept so that there is one to fall back to while the next one is written.
KEPT_CHECKPOINTS = 2
# What a checkpoint folder needs besides config and weights; copied byte by byte, so that text stays
# the same tokens.
TOKENIZER_FILES = (
    "tokenizer*",
    "chat_template*",
    "additional_chat_templates",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.py",
)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file under `folder`, the marker aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}


def complete(root: Path, step: int) -> None:
    """Makes the checkpoint of a step count, and removes those that it makes needless."""
    mark_complete(root / f"checkpoint-{step}")
    prune(root)


def mark_complete(checkpoint: Path) -> None:
    """Makes a checkpoint count, and says which files it consists of."""
    write_text(checkpoint / MARKER, json.dumps(sizes(checkpoint)))


def is_complete(checkpoint: Path) -> bool:
    """Whether every file of a checkpoint is there at its full size."""
    marker = checkpoint / MARKER
    return marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == sizes(checkpoint)


def step_of(checkpoint: Path) -> int:
    """The optimiser step after which a checkpoint was written; -1 if its name holds none."""
    match = re.fullmatch(r"checkpoint-(\d+)", checkpoint.name)
    return int(match[1]) if match else -1


def by_step(root: Path) -> list[Path]:
    """The checkpoint folders under `root`, oldest first, complete or not."""
    return sorted((path for path in root.glob("checkpoint-*") if step_of(path) >= 0), key=step_of)


def newest_complete(root: Path) -> Path | None:
    """The checkpoint to resume from, if there is one; incomplete ones are removed."""
    complete: Path | None = None
    for checkpoint in by_step(root):
        if is_complete(checkpoint):
            complete = checkpoint
        else:
            shutil.rmtree(checkpoint)
    return complete


def prune(root: Path) -> None:
    """Removes all but the newest checkpoints."""
    for checkpoint in by_step(root)[:-KEPT_CHECKPOINTS]:
        shutil.rmtree(checkpoint)


def resume_point(out: Path) -> tuple[Path | None, int]:
    """The checkpoint to go on from and its step, the log cut to it; (None, 0) for a fresh start."""
    checkpoint = newest_complete(out / CHECKPOINTS)
    step = 0 if checkpoint is None else step_of(checkpoint)
    StepLog(out).cut(step)
    return checkpoint, step


def take_up(out: Path, identity: Mapping[str, Any]) -> TrainResult | None:
    """Claims the folder for a job (see `claim`); the job's result, if it has ended there."""
    claim(out, identity)
    if not (out / FINAL).is_dir():
        return None
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return TrainResult(out / FINAL, StepLog(out).rows())


def claim(out: Path, identity: Mapping[str, Any]) -> None:
    """Makes `out` the folder of one job, and refuses it to another.

    Raises InputError naming what differs: a resumed training that mixes two jobs would be neither.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "job.json"
    wanted = json.loads(json.dumps(identity))
    if not path.is_file():
        write_text(path, json.dumps(wanted, indent=1, sort_keys=True) + "\n")
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(
        key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)
    )
    if changed:
        raise InputError(
            f"{out}: holds another training, which differs in {', '.join(changed)}; remove the "
            "folder or choose another"
        )


def copy_tokenizer(start: Path, target: Path) -> None:
    """Copies the tokenizer's files, chat template included."""
    for pattern in TOKENIZER_FILES:
        for path in start.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, target / path.name, dirs_exist_ok=True)
            else:
                shutil.copyfile(path, target / path.name)


class StepLog:
    """One row of JSON a step; a resumed run goes on writing where its checkpoint stands."""

    def __init__(self, out: Path) -> None:
        """The log in the folder `out`; nothing is written until the first row."""
        self.path = out / "steps.jsonl"

    def append(self, row: StepRow) -> None:
        """Adds a step's row."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def cut(self, step: int) -> None:
        """Removes the rows after `step`, and a last row that was cut short."""
        kept = [json.dumps(row) + "\n" for row in self.rows() if (row["step"] or 0) <= step]
        write_text(self.path, "".join(kept))

    def rows(self) -> tuple[StepRow, ...]:
        """The rows, oldest first."""
        if not self.path.is_file():
            return ()
        lines = self.path.read_text(encoding="utf-8").split("\n")
        # What follows the last line feed was being written when the run was killed.
        return tuple(json.loads(line) for line in lines[:-1])
