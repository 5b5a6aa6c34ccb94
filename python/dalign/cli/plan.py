"""`dalign plan`: what a run will take, before anything is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dalign import progress
from dalign.cli.terminal import tell, tell_json, tell_table
from dalign.config import Cap, Config
from dalign.pipeline.estimate import TRAINER, Cost, costs_of, trial_of
from dalign.pipeline.run import planned, resolve_config
from dalign.pipeline.spent import spent_in, total
from dalign.progress import duration
from dalign.store.run import RunFolder

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def plan_command(
    config: Path | None,
    run: Path | None,
    trial: Path | None,
    overrides: Sequence[str],
    *,
    redo: bool,
    as_json: bool,
) -> None:
    """Prints requests, tokens, money and time by stage and model, and what the caps leave of them."""
    told = progress.Progress() if as_json else progress.for_terminal()
    with tempfile.TemporaryDirectory() as nowhere:
        folder = run or Path(nowhere) / "run"
        settings = resolve_config(config, folder, overrides, redo=redo)
        known = None if trial is None else trial_of(trial)
        with planned(settings, folder, told) as found:
            costs = costs_of(found.project, found.engines, found.states, trial=known)
        before = total(spent_in(RunFolder(folder)))
        hours = RunFolder(folder).elapsed_s / 3600 if before.requests else 0.0
    taken = {
        "requests": before.requests,
        "tokens": before.tokens,
        "money": before.money,
        "hours": hours,
    }
    sums = _sums(costs)
    passed = _passed(settings.run.cap, {name: sums[name] + taken[name] for name in taken})
    if as_json:
        rows = [asdict(cost) for cost in costs]
        tell_json({"costs": rows, "total": sums, "taken": taken, "passed": passed}, indent=1)
        return
    _print(settings, costs, sums, is_trial=known is not None)
    for sentence in passed:
        tell(sentence)


def _sums(costs: Sequence[Cost]) -> dict[str, float]:
    """Of the rows whose requests are asked of a model; hours of all that tell their time."""
    asked = [cost for cost in costs if cost.model != TRAINER]
    return {
        "requests": sum(cost.requests for cost in asked),
        "tokens": sum(cost.read + cost.written for cost in asked),
        "money": sum(cost.money for cost in asked),
        "hours": sum(cost.seconds or 0.0 for cost in costs) / 3600,
    }


def _passed(cap: Cap, all_of_it: dict[str, float]) -> list[str]:
    """A sentence for each cap that the plan passes."""
    return [
        f"run.cap.{name} = {most:,.6g} will stop the run: the plan comes to {all_of_it[name]:,.6g}, with what was taken before"
        for name in all_of_it
        if (most := getattr(cap, name)) is not None and all_of_it[name] > most
    ]


def _print(
    config: Config, costs: Sequence[Cost], sums: dict[str, float], *, is_trial: bool
) -> None:
    priced = any(not model.price.is_free for model in (config.model, config.judge_of_record))
    heads = ["stage", "model", "requests", "tokens read", "written", *(["money"] if priced else [])]
    heads += ["time"] if is_trial else []

    def cells(cost: Cost) -> tuple[str, ...]:
        about = "" if cost.is_counted or cost.is_measured else "~"
        is_trainer = cost.model == TRAINER
        most = "" if cost.is_measured or not cost.requests else "≤ "
        made = [f"{cost.requests:,}", most + about + _short(cost.read), most + _short(cost.written)]
        money = ["-" if is_trainer else f"{most}{cost.money:,.2f}"] if priced else []
        time = [] if not is_trial else ["-" if cost.seconds is None else duration(cost.seconds)]
        return (cost.stage, cost.model, *made, *money, *time)

    tell_table(heads, [cells(cost) for cost in costs], right=set(heads[2:]))
    told = [f"{sums['requests']:,.0f} requests", f"{_short(sums['tokens'])} tokens"]
    told += [f"{sums['money']:,.2f}"] if priced else []
    told += [duration(sums["hours"] * 3600)] if is_trial else []
    least = all(cost.is_measured for cost in costs if cost.model != TRAINER)
    tell(f"in all {'about' if least else 'at most'} {', '.join(told)}")
    if not is_trial:
        tell(
            "a trial tells what it comes to, and the time: dalign run CONFIG --run runs/trial --limit 20, then dalign plan CONFIG --trial runs/trial"
        )
    if any(not cost.is_counted for cost in costs):
        tell(
            "~ by four characters a token, as no tokenizer of that model is here; name its folder as checkpoint"
        )


def _short(count: float) -> str:
    unit = next(((size, name) for size, name in _UNITS if count >= size), None)
    return f"{count:,.0f}" if unit is None else f"{count / unit[0]:,.3g} {unit[1]}"
