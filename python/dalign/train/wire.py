"""What goes between the process that leads a training and those that train: JSON, one value at a time.

The leader sends the job first. A process that trains says `step`, `ended` or `raised`; or it asks (`ask`), and the leader
answers (`answered`).
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl

from dalign import config, errors
from dalign.errors import DalignError, WorkerError, outside
from dalign.rows import Prompt
from dalign.train.job import DistillJob, Job, RlJob, Rollout, SftJob, Tracking
from dalign.train.rl.completeness import Completeness, Found, SectionGrade
from dalign.train.rl.rewards import Reward

# What an error of dalign has beside its message.
_ATTRIBUTES = ("kind", "line", "row", "key", "value", "limit")
Value = dict[str, Any]


class Line:
    """One end of a line between two processes."""

    def __init__(self, descriptor: int) -> None:
        """descriptor: of a socket; the line closes it."""
        self.connection = Connection(descriptor)

    def say(self, value: Value) -> None:
        """Hands a value over. Raises OSError where the other process is gone."""
        self.connection.send_bytes(json.dumps(value, default=str).encode())

    def hear(self) -> Value | None:
        """The next value, waited for; None once the other process is gone."""
        try:
            heard: Value = json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None
        return heard

    def close(self) -> None:
        """Ends it."""
        self.connection.close()


def _dump_any(job: Job) -> Value:
    given = {each.name: getattr(job, each.name) for each in fields(Job)}
    given |= {"start": str(job.start.absolute())}
    if job.tracking is not None:
        given |= {"tracking": job.tracking._replace(folder=job.tracking.folder.absolute())}
    return given


def _load_any(said: Value) -> Value:
    given = {**said, "start": Path(said["start"])}
    if said["tracking"] is not None:
        names, folder, name = said["tracking"]
        given |= {"tracking": Tracking(tuple(names), Path(folder), name)}
    return given


def dump_sft(job: SftJob) -> Value:
    """A job as it is sent."""
    rows = [str(path.absolute()) for path in job.rows]
    settings, benign = job.settings.model_dump(mode="json"), sorted(job.benign)
    return _dump_any(job) | {"rows": rows, "settings": settings, "benign": benign}


def load_sft(said: Value) -> SftJob:
    """The job that was sent."""
    rows = [Path(path) for path in said["rows"]]
    settings = config.Sft.model_validate(said["settings"])
    benign = frozenset(said["benign"])
    given = {**_load_any(said), "rows": rows, "settings": settings, "benign": benign}
    return SftJob(**given)


def dump_rl(job: RlJob) -> Value:
    """A job as it is sent."""
    return _dump_stepped(job) | {"replayed": job.replayed}


def load_rl(said: Value) -> RlJob:
    """The job that was sent."""
    replayed = [[tuple(row) for row in step] for step in said["replayed"]]
    given = _load_stepped(said) | {"replayed": replayed}
    return RlJob(**given, settings=config.Rl.model_validate(said["settings"]))


def dump_distill(job: DistillJob) -> Value:
    """A job as it is sent."""
    return _dump_stepped(job) | {"in_sight": job.in_sight}


def load_distill(said: Value) -> DistillJob:
    """The job that was sent."""
    in_sight = {name: tuple(messages) for name, messages in said["in_sight"].items()}
    given = _load_stepped(said) | {"in_sight": in_sight}
    return DistillJob(**given, settings=config.Distill.model_validate(said["settings"]))


def _dump_stepped(job: RlJob | DistillJob) -> Value:
    """What steps complete: each prompt once, and of each step which ones it has."""
    distinct = list({prompt.id: prompt for step in job.prompts for prompt in step}.values())
    places = {prompt.id: place for place, prompt in enumerate(distinct)}
    return _dump_any(job) | {
        "settings": job.settings.model_dump(mode="json"),
        "reasoning": job.reasoning.model_dump(mode="json"),
        "day": None if job.day is None else job.day.isoformat(),
        "distinct": [prompt.row for prompt in distinct],
        "prompts": [[places[prompt.id] for prompt in step] for step in job.prompts],
    }


def _load_stepped(said: Value) -> Value:
    """All that was sent but the settings, which are the caller's."""
    given = _load_any(said)
    del given["settings"]
    rows = pl.DataFrame(given.pop("distinct"), schema=Prompt.COLUMNS, orient="row")
    distinct = list(Prompt.read(rows))
    return given | {
        "reasoning": config.Reasoning.model_validate(said["reasoning"]),
        "day": None if said["day"] is None else date.fromisoformat(said["day"]),
        "prompts": [[distinct[place] for place in step] for step in said["prompts"]],
    }


def load_reward(said: Sequence[Any]) -> Reward:
    """A reward that was sent, which JSON has as its values in their order."""
    status, reasoning, answer, judge, value, held, length = said
    complete = None
    if held is not None:
        grades = (SectionGrade(name, grade, Found(found)) for name, grade, found in held[1])
        complete = Completeness(held[0], tuple(grades))
    return Reward(status, reasoning, answer, judge, value, complete, length)


def load_rollout(said: Sequence[Any]) -> Rollout:
    """A rollout that was sent."""
    prompt, text, tokens, reward, advantage = said
    return Rollout(prompt, text, tokens, load_reward(reward), advantage)


def dump_error(error: Exception) -> Value:
    """An error as it is sent; of one of the program itself its trace too."""
    known = outside(error)
    if known is None:
        trace = "".join(traceback.format_exception(error))
        reason = str(error).strip().partition("\n")[0]
        fault = f"{type(error).__name__}: {reason}"
        return {"fault": fault, "trace": trace, "at_s": time.monotonic()}
    told = {name: getattr(known, name) for name in _ATTRIBUTES}
    path = None if known.path is None else str(known.path)
    return {"class": type(known).__name__, "message": str(known), "path": path, **told}


def load_error(said: Value, who: str) -> DalignError:
    """The error that was sent. who: of a fault of the program, the process that it befell."""
    if "fault" in said:
        error = WorkerError(f"{who} failed: {said['fault']}; the same command goes on from here")
        error.add_note(said["trace"])
        return error
    kind = getattr(errors, said["class"])
    path = None if said["path"] is None else Path(said["path"])
    told = {name: said[name] for name in _ATTRIBUTES}
    found: DalignError = kind(said["message"], path=path, **told)
    return found
