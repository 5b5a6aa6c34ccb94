"""What a command that keeps its replies until it is done has taken, its earlier calls included: `WORK/spent.json`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from dalign.config import Config
from dalign.errors import InputError
from dalign.models.spending import Meter, Spent, as_json, spent_of
from dalign.progress import Progress
from dalign.store.ledger import SPENT
from dalign.store.whole_files import write_json

_GOES_ON = "what was answered is kept, and the same command under a higher {key} goes on from here"


def work_meter(config: Config, work: Path, progress: Progress) -> Meter:
    """Keeps a config's cap (run.cap) in all calls of a command that works in this folder.

    What nobody can tell any more of earlier ones is said, and counts from now on.
    """
    check_capped(config)
    taken, earlier_s = _earlier(work / SPENT, progress)
    began = time.monotonic()

    def keep(now: Mapping[str, Spent]) -> None:
        told = {name: as_json(each) for name, each in now.items()}
        seconds = earlier_s + time.monotonic() - began
        write_json(work / SPENT, {"seconds": round(seconds, 1), "taken": told})

    return Meter(config.run.cap, taken, earlier_s, keep, way_out=_GOES_ON)


def check_capped(config: Config) -> None:
    """Raises InputError for a cap that what the writer and the judge are sent cannot keep."""
    writer, cap = config.writer, config.run.cap
    if (cap.money is not None or cap.tokens is not None) and "max_tokens" in writer.leave_out:
        said = "run.cap has a bound on tokens or money, which synth_model.leave_out = 'max_tokens' takes from replies; send it, or leave the cap out"
        raise InputError(said, kind="broken_rule", key="synth_model.leave_out")
    if cap.money is not None and writer.price.is_free and config.judge_of_record.price.is_free:
        said = "run.cap.money has no price to count by: neither who writes nor who judges has one; set synth_model.price, such as {read=0.15, written=0.6} for a million tokens each"
        raise InputError(said, kind="broken_rule", key="synth_model.price")


def _earlier(path: Path, progress: Progress) -> tuple[dict[str, Spent], float]:
    if not path.is_file():
        return {}, 0.0
    try:
        held = json.loads(path.read_text("utf-8"))
        seconds = spent_of({"seconds": held["seconds"]}).seconds
        return {name: spent_of(each) for name, each in held["taken"].items()}, seconds
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        progress.say(
            f"warning: {path}: damaged: what was asked before is not known any more, and counts from now on"
        )
        return {}, 0.0
