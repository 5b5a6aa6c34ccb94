"""`dalign plan`: what a run will take, before anything is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dalign import progress
from dalign.cli.memory import memory_rows, tell_memory
from dalign.cli.terminal import tell, tell_json, tell_table, warn
from dalign.config import Cap, Config
from dalign.errors import InputError
from dalign.models.spending import Spent
from dalign.pipeline.estimate import TRAINER, Cost, costs_of, trial_of
from dalign.pipeline.run import other_settings, planned, resolve_config
from dalign.pipeline.spent import spent_in, total
from dalign.progress import duration
from dalign.store.run import RunFolder

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_Sums = Mapping[str, float | None]


def plan_command(
    config: Path | None,
    run: Path | None,
    trial: Path | None,
    overrides: Sequence[str],
    *,
    redo: bool,
    as_json: bool,
) -> None:
    """Prints requests, tokens, money and time by stage and model, and which caps they pass."""
    if config is None and run is None:
        said = "name a config, or a run: dalign plan dalign.toml, or dalign plan --run runs/first"
        raise InputError(said, kind="not_valid")
    told = progress.Progress() if as_json else progress.for_terminal()
    with tempfile.TemporaryDirectory() as nowhere:
        folder = run or Path(nowhere) / "run"
        settings = resolve_config(config, folder, overrides, redo=redo)
        known = None if trial is None else trial_of(trial)
        others = [] if trial is None else other_settings(trial, settings)
        with planned(settings, folder, told) as found:
            costs = costs_of(found.project, found.engines, found.states, trial=known)
            memory = found.memory
        taken = spent_in(RunFolder(folder))
        hours = RunFolder(folder).elapsed_s / 3600 if taken else 0.0
    sums = _sums(costs)
    before = _before(taken, hours, costs)
    passed = _passed(settings.run.cap, sums, before, may=known is None or settings.rl.redraws > 0)
    if as_json:
        told_all = {"costs": [asdict(cost) for cost in costs], "total": sums, "taken": before}
        more = {"passed": passed, "memory": memory_rows(memory), "trial_differs": others}
        tell_json(dict[str, object](told_all) | more, indent=1)
        return
    if others:
        warn(
            f"warning: {trial} was run by another config, and tells of that one: {'; '.join(others)}"
        )
    _print(settings, costs, sums, is_trial=known is not None)
    tell_memory(memory, settings.model, settings.run.devices)
    for sentence in passed:
        tell(sentence)


def _sums(costs: Sequence[Cost]) -> dict[str, float | None]:
    """Of the rows whose requests are asked of a model; hours of all. None: a row tells nothing of it."""
    asked = [cost for cost in costs if cost.model != TRAINER]
    money, seconds = [cost.money for cost in asked], [cost.seconds for cost in costs]
    return {
        "requests": sum(cost.requests for cost in asked),
        "tokens": sum(cost.read + cost.written for cost in asked),
        "money": None if None in money else sum(filter(None, money)),
        "hours": None if None in seconds else sum(filter(None, seconds)) / 3600,
    }


def _before(taken: Mapping[str, Spent], hours: float, costs: Sequence[Cost]) -> dict[str, float]:
    """What earlier calls took; of a stage that is planned, and may be half done, nothing counts twice."""
    stages = {cost.stage for cost in costs}
    spent = total({k: each for k, each in taken.items() if k.partition(" ")[0] not in stages})
    return {
        "requests": spent.requests,
        "tokens": spent.tokens,
        "money": spent.money,
        "hours": hours,
    }


def _passed(cap: Cap, sums: _Sums, before: Mapping[str, float], *, may: bool) -> list[str]:
    """A sentence for each cap that the plan passes. may: the plan is what it comes to at most."""
    found = []
    for name, earlier in before.items():
        most, planned_ = getattr(cap, name), sums[name]
        if most is not None and planned_ is not None and planned_ + earlier > most:
            verb = "may" if may else "will"
            comes = f"the plan comes to {planned_ + earlier:,.6g}{' at most' if may else ''}"
            found.append(
                f"run.cap.{name} = {most:,.6g} {verb} stop the run: {comes}, with what was taken before"
            )
    return found


def _print(config: Config, costs: Sequence[Cost], sums: _Sums, *, is_trial: bool) -> None:
    priced = any(not model.price.is_free for model in config.asked.values())
    heads = ["stage", "model", "requests", "tokens read", "written", *(["money"] if priced else [])]
    heads += ["time"] if is_trial else []

    def cells(cost: Cost) -> tuple[str, ...]:
        about = "" if cost.is_counted or cost.is_measured else "~"
        most = "" if cost.is_measured or not cost.requests else "≤ "
        made = [f"{cost.requests:,}", about + _short(cost.read), most + _short(cost.written)]
        no_money = cost.model == TRAINER or cost.money is None
        money = ["-" if no_money else f"{most}{cost.money:,.2f}"] if priced else []
        time = [_time(cost.seconds)] if is_trial else []
        return (cost.stage, cost.model, *made, *money, *time)

    tell_table(heads, [cells(cost) for cost in costs], right=set(heads[2:]))
    requests, tokens, money, hours = (
        sums[name] for name in ("requests", "tokens", "money", "hours")
    )
    told = [f"{requests or 0:,.0f} requests", f"{_short(tokens or 0)} tokens"]
    told += [f"{money:,.2f} of money"] if priced and money is not None else []
    told += [_time(hours * 3600)] if is_trial and hours is not None else []
    is_known = all(cost.is_measured for cost in costs if cost.model != TRAINER)
    tell(f"in all {'about' if is_known else 'at most about'} {', '.join(told)}")
    if not is_trial:
        tell(
            "a trial tells what it comes to, and the time: dalign run CONFIG --run runs/trial --limit 20, then dalign plan CONFIG --trial runs/trial"
        )
    elif hours is None:
        tell("no time in all: the trial tells none of some stages")
    if any(not cost.is_counted and not cost.is_measured for cost in costs):
        tell(
            "~ by four characters a token, as no tokenizer of that model is here; name its folder as checkpoint"
        )


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


def _short(count: float) -> str:
    # Three digits of 999,999 are those of a million.
    rounded = float(f"{count:.3g}")
    unit = next(((size, name) for size, name in _UNITS if rounded >= size), None)
    return f"{count:,.0f}" if unit is None else f"{rounded / unit[0]:,.3g} {unit[1]}"
