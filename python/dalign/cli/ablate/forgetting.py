"""`dalign ablate`: what a training is worth and what it costs, by runs that differ in a few settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import typer

from dalign import progress
from dalign.cli.terminal import tell, tell_json, tell_table, warn
from dalign.errors import InputError
from dalign.experiments.forgetting import (  # fmt: skip
    Asked,
    Found,
    cells_of,
    check_asked,
    default_arms,
    forgetting,
)
from dalign.experiments.matrix import Matrix
from dalign.experiments.page import NAME, change_of, markdown, value_of
from dalign.pipeline.run import plan_of
from dalign.settings import load_config
from dalign.store.whole_files import json_text, write_text


class How(NamedTuple):
    """Switches of the command."""

    redo: bool
    dry_run: bool
    allow_missing: bool
    as_json: bool


def asked_of(methods: str, ratios: str, arms: str, own: Mapping[str, Sequence[str]]) -> Asked:
    """What the command's words ask for. Raises InputError for a ratio that is no number."""
    try:
        numbers = [float(each) for each in _words(ratios)]
    except ValueError:
        said = f"--ratios {ratios!r}: numbers by commas are needed, such as 0,0.5,1"
        raise InputError(said, kind="not_valid", value=ratios) from None
    return Asked(_words(methods), numbers, _words(arms), dict(own))


def _words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def ablate_forgetting(
    config: Path, out: Path, asked: Asked, seeds: int, overrides: Sequence[str], how: How
) -> None:
    """Runs full weights against LoRA at each ratio, over seeds; writes `forgetting.md` and `forgetting.json`."""
    settings = load_config(config, list(overrides))
    if not asked.arms:
        asked = Asked(asked.methods, asked.ratios, default_arms(settings), asked.own)
    cells, first = cells_of(asked), settings.run.seed
    for said in check_asked(settings, asked):
        warn(f"warning: {said}")
    matrix = Matrix(config, out, cells, range(first, first + seeds), overrides)
    told = progress.Progress() if how.as_json else progress.for_terminal()
    if how.dry_run:
        _tell_plan(matrix, told, as_json=how.as_json)
        return
    found = forgetting(matrix, settings, told, redo=how.redo)
    write_text(out / "forgetting.json", json_text(_as_json(found)))
    write_text(out / NAME, markdown(found, _command(config, asked, seeds, overrides)))
    if how.as_json:
        tell_json(_as_json(found), indent=1)
    else:
        _tell(found, out)
    for said in found.alarms:
        warn(f"MISSING: {said}")
    if found.alarms and not how.allow_missing:
        warn("this is an error unless --allow-missing is given; what is missing is in no figure")
        raise typer.Exit(1)


def _tell_plan(matrix: Matrix, told: progress.Progress, *, as_json: bool) -> None:
    """Checks all input of the first run, and says what would be run."""
    config = matrix.config_of(matrix.cells[0], matrix.seeds[0])
    _, work, _ = plan_of(config, matrix.place(matrix.cells[0], matrix.seeds[0]), told)
    if as_json:
        runs = [str(matrix.place(cell, seed)) for seed in matrix.seeds for cell in matrix.cells]
        tell_json({"runs": runs, "work_of_the_first": work}, indent=1)
        return
    for cell in matrix.cells:
        tell(f"{cell.name}: {' '.join(cell.settings)}")
    count = len(matrix.seeds)
    tell(
        f"{count * len(matrix.cells)} runs, {count} seed{'s' if count > 1 else ''} of each cell; the first of a seed takes the following, the others train and evaluate what they train:"
    )
    for name, value in work.items():
        tell(f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")


def _command(config: Path, asked: Asked, seeds: int, overrides: Sequence[str]) -> str:
    """The command that gives the same again."""
    ratios = ",".join(f"{ratio:g}" for ratio in asked.ratios)
    words = ["--seeds", str(seeds), "--methods", ",".join(asked.methods), "--ratios", ratios]
    words += ["--arms", ",".join(asked.arms)]
    for option, given in [*((f"{m}-set", own) for m, own in asked.own.items()), ("set", overrides)]:
        words += [word for each in given for word in (f"--{option}", each)]
    return f"dalign ablate forgetting {config.name} {' '.join(map(quote, words))}"


def _as_json(found: Found) -> dict[str, object]:
    return {
        "seeds": found.seeds,
        "forgotten": [each._asdict() for each in found.forgotten],
        "figures": [each._asdict() for each in found.figures],
        "changes": [each._asdict() for each in found.changes],
        "alarms": list(found.alarms),
    }


def _tell(found: Found, out: Path) -> None:
    lost = [(f.cell, f.arm, f.suite, value_of(f), str(f.n)) for f in found.forgotten]
    tell_table(
        ("cell", "arm", "suite", "forgotten [95 % interval] (seeds)", "n"), lost, right=("n",)
    )
    tell()
    clear = [c for c in found.changes if c.low > 0 or c.high < 0]
    rows = [(c.cell_a, c.cell_b, c.arm, c.suite, c.metric, change_of(c)) for c in clear]
    if rows:
        tell_table(("from", "to", "arm", "suite", "metric", "difference [95 % interval]"), rows)
    others = len(found.changes) - len(clear)
    tell(f"{others} more differences may be chance; every metric of every cell: {out / NAME}")
