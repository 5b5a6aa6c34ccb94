"""Runs what a command line asks for, and tells what was done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

import typer

from dalign import progress
from dalign.cli.memory import memory_rows, tell_memory
from dalign.cli.terminal import tell, tell_json, tell_results, warn
from dalign.config import Config
from dalign.errors import InputError
from dalign.figures import Moment, Results
from dalign.pipeline.run import (
    check_all_done,
    check_servers,
    keep_config,
    plan_of,
    resolve_config,
    run_stages,
)
from dalign.pipeline.spent import in_words, spent_in
from dalign.records.corrected import doubts
from dalign.records.record import open_record
from dalign.records.results import alarms_in, write_results
from dalign.store.ledger import REPORT, RESULTS
from dalign.store.run import RunFolder

# The command that runs no stage.
REPORT_ALONE = "report"
# The stage whose grades may be missing.
GRADED = "evaluate"


def run_command(
    config: Path | None,
    run: Path,
    overrides: Sequence[str],
    stage: str | None,
    variant: str | None,
    *,
    redo: bool,
    dry_run: bool,
    as_json: bool,
    allow_missing: bool = False,
    retry_missing: bool = False,
) -> None:
    """Runs all stages, or one (`stage`, `variant`); the report comes last. `dry_run`: only checks and prints the plan.

    Exits with 1 where more is missing than the config allows, unless `allow_missing`.
    """
    _check_words(stage, retry_missing=retry_missing)
    told = progress.Progress() if as_json else progress.for_terminal()
    ran: Sequence[str] = ()
    # A report of a run is of what its folder holds: no file of the user's is read.
    of_folder = stage == REPORT_ALONE and config is None and not dry_run
    if not of_folder or overrides:
        settings = resolve_config(config, run, overrides, redo=redo and not of_folder)
        if of_folder:
            keep_config(settings, run)
        elif dry_run:
            plan, work, memory = plan_of(settings, run, told, retry_missing=retry_missing)
            _print_plan(plan, work, memory, settings, as_json=as_json)
            check_servers(settings, plan)
            return
        elif stage == REPORT_ALONE:
            check_all_done(settings, run, told)
        else:
            ran = run_stages(settings, run, told, stage, variant, retry_missing=retry_missing)
    results = write_results(open_record(run)) if stage in (None, REPORT_ALONE) else None
    _tell(run, ran, results, as_json=as_json)
    alarms = results.alarms if results is not None else _alarms(run, stage, variant)
    _end_if_missing(run, [] if allow_missing else alarms)
    _end_if_forgotten(run, results)


def _check_words(stage: str | None, *, retry_missing: bool) -> None:
    if stage == REPORT_ALONE and retry_missing:
        raise InputError("--retry-missing: a report asks nothing; leave it out", kind="not_valid")


def _alarms(run: Path, stage: str | None, variant: str | None) -> list[str]:
    """Says where more is missing than the config allows, in what the stage `evaluate` has graded by itself."""
    if stage != GRADED:
        return []
    record = open_record(run)
    found = alarms_in(record, [variant] if variant else record.config.evaluate.arms)
    for alarm in found:
        warn(f"MISSING: {alarm}")
    return found


def _end_if_missing(run: Path, alarms: Sequence[str]) -> None:
    """Ends with exit code 1 where more is missing than the config allows."""
    if not alarms:
        return
    said = f"this is an error unless --allow-missing is given; dalign run --run {quote(str(run))} --retry-missing asks again for what never came, and --set evaluate.max_missing=1 allows it for this run"
    warn(said)
    raise typer.Exit(1)


def _end_if_forgotten(run: Path, results: Results | None) -> None:
    """Ends with exit code 1 where trainings cost more than the config allows."""
    if results is None or not results.forgotten:
        return
    said = f"this is an error: train less or with LoRA (sft.method), or mix in more capability rows (sft.capability_ratio); evaluate.max_forgetting and evaluate.max_kl are the bounds: dalign report --run {quote(str(run))} --set evaluate.max_forgetting=1 (or evaluate.max_kl=100) allows it for this run"
    warn(said)
    raise typer.Exit(1)


def _print_plan(
    stages: Sequence[dict[str, object]],
    work: dict[str, object],
    memory: Sequence[Moment] | None,
    settings: Config,
    *,
    as_json: bool,
) -> None:
    """Prints what would run, what is done, how much work the input means, and what it takes of a GPU."""
    if as_json:
        tell_json({"plan": stages, "work": work, "memory": memory_rows(memory)}, indent=1)
        return
    for row in stages:
        needs = row["needs"]
        after = f"  after {', '.join(needs)}" if isinstance(needs, list) and needs else ""
        tell(f"{row['node']:<16} {row['state']:<13}{after}")
    for name, value in work.items():
        tell(f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
    tell_memory(memory, settings.model, settings.run.devices)


def _tell(run: Path, ran: Sequence[str], results: Results | None, *, as_json: bool) -> None:
    """Says what was done and where to look."""
    if as_json:
        content = None if results is None else results.as_json()
        tell_json({"run": str(run), "ran": list(ran), "results": content})
        return
    if results is not None:
        tell_results(results)
        if spent := in_words(spent_in(RunFolder(run))):
            tell(f"asked of models: {spent}")
        tell(f"report: {run / REPORT}\nresults: {run / RESULTS}")
        for alarm in results.alarms:
            warn(f"MISSING: {alarm}")
        for said in results.forgotten:
            warn(f"FORGOTTEN: {said}")
        record = open_record(run)
        for said in doubts(record, record.project.judge_card):
            warn(f"warning: {said}")
    elif not ran:
        warn("nothing to do: the stage is done")
