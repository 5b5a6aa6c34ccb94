"""Opens a run folder, checks all input, and runs what is asked for."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dalign import progress
from dalign.cli.terminal import tell, tell_json, warn
from dalign.config import Config
from dalign.errors import BusyError, ChangedConfigError, InputError
from dalign.pipeline.context import CONFIG, RunContext
from dalign.pipeline.plan import Node, choose, make_plan
from dalign.pipeline.results import RESULTS, add_elapsed, write_results
from dalign.pipeline.runner import run_plan
from dalign.sandbox.checkpoint import checkpoints
from dalign.settings import changed_keys, dump_toml, load_config
from dalign.store import write_text

# Settings that change how fast a run goes, or what is done beside it, not what comes out.
FREE_KEYS = ("run.workers", "synth_model")


def run_stages(
    config: Path | None,
    run: Path,
    overrides: Sequence[str],
    *,
    redo: bool,
    dry_run: bool,
    as_json: bool,
    stage: str | None = None,
    variant: str | None = None,
) -> None:
    """Runs all stages, or one (`stage`, `variant`); the report comes last. `dry_run`: only checks and prints the plan."""
    if stage == "report" and variant is not None:
        raise InputError(
            f"--variant {variant}: the report has no variants, it is of the whole run; leave it out"
        )
    settings = resolve_config(config, run, overrides, redo=redo)
    ctx = RunContext(
        settings, run, checkpoints(), progress.Silent() if as_json else progress.for_terminal()
    )
    ctx.check()
    plan = make_plan(ctx)
    if dry_run:
        print_plan(ctx, plan, as_json=as_json)
        return
    with only_one(run):
        write_text(run / CONFIG, dump_toml(settings))
        nodes = plan if stage is None else [] if stage == "report" else choose(plan, stage, variant)
        began = time.monotonic()
        try:
            ran = run_plan(ctx, nodes)
        finally:
            add_elapsed(ctx, time.monotonic() - began)
        results = write_results(ctx, plan) if stage in (None, "report") else None
    _tell(ctx, ran, results, as_json=as_json)


def resolve_config(
    config: Path | None, run: Path, overrides: Sequence[str], *, redo: bool
) -> Config:
    """The config of this call. A run folder belongs to one config: another one is refused unless `redo`."""
    saved_path = run / CONFIG
    if not saved_path.is_file():
        if run.is_dir() and any(
            path.name not in (".lock", "project", "elapsed.json") for path in run.iterdir()
        ):
            raise InputError(
                f"{run}: this folder is not empty and is no run folder; name another one with --run"
            )
        if config is None:
            raise InputError(
                f"{run}: no run has been started here; name its config (dalign run dalign.toml --run {run})"
            )
        return load_config(config, overrides)
    saved = load_config(saved_path, [])
    wanted = load_config(config if config is not None else saved_path, overrides)
    changed = [text for text in changed_keys(saved, wanted) if not text.startswith(FREE_KEYS)]
    if changed and not redo:
        raise ChangedConfigError(
            f"{run}: this run was started with another config; changed: {'; '.join(changed)}; "
            "use another --run folder, or --redo to run again what these settings touch"
        )
    return wanted


@contextmanager
def only_one(run: Path) -> Iterator[None]:
    """Holds the run folder's lock. Raises BusyError if another process has it."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise BusyError(
                f"{run}: another dalign works in this folder (process {lock.read().strip() or 'unknown'}); wait for it or end it"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def print_plan(ctx: RunContext, plan: Sequence[Node], *, as_json: bool) -> None:
    """Prints what would run, what is done, and how much work the input means."""
    rows = [
        {
            "node": node.name,
            "state": "done" if node.is_done(ctx) else "to run",
            "needs": list(node.needs),
        }
        for node in plan
    ]
    config = ctx.config
    samples = sum(map(len, ctx.suites.values())) * config.evaluate.samples
    work = {
        "prompts": len(ctx.prompts),
        "completions": len(ctx.prompts) * config.generate.n,
        "judgements_at_most": len(ctx.prompts) * config.generate.n * config.judge.k,
        "rl_completions_an_arm": config.rl.steps
        * config.rl.prompts_per_step
        * config.rl.group_size,
        "evaluated_completions_an_arm": samples,
        "categories": list(ctx.spec.names),
    }
    if as_json:
        tell_json({"plan": rows, "work": work}, indent=1)
        return
    for row in rows:
        after = f"  after {', '.join(row['needs'])}" if row["needs"] else ""
        tell(f"{row['node']:<16} {row['state']:<7}{after}")
    tell(
        "\n".join(
            f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}"
            for name, value in work.items()
        )
    )


def _tell(ctx: RunContext, ran: Sequence[str], results: Path | None, *, as_json: bool) -> None:
    """Says what was done and where to look."""
    if as_json:
        content = json.loads(results.read_text("utf-8")) if results else None
        tell_json({"run": str(ctx.run), "ran": list(ran), "results": content})
        return
    if results is not None:
        from dalign.pipeline.results import headline

        tell(headline(json.loads(results.read_text("utf-8"))))
        tell(f"report: {ctx.run / 'report.html'}\nresults: {ctx.run / RESULTS}")
    elif not ran:
        warn("nothing to do: the stage is done")
