"""What a run found: `results.json`, and the content of its report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from dalign import _core
from dalign.errors import UnfinishedError
from dalign.evaluate.metrics import arm_pairs, paired_rows
from dalign.pipeline.context import RunContext
from dalign.pipeline.evaluate_stage import GRADES
from dalign.pipeline.plan import Node
from dalign.store import digest, write_text

RESULTS = "results.json"
REPORT = "report.html"
Results = dict[str, Any]


def write_results(ctx: RunContext, plan: Sequence[Node]) -> Path:
    """Writes `results.json` and `report.html` from what the stages left, and returns the former's path.

    Raises UnfinishedError naming the first stage that has not finished.
    """
    for node in plan:
        if not node.is_done(ctx):
            raise UnfinishedError(
                f"{ctx.run}: {node.name} has not finished, or its inputs have changed; run it first (dalign run --run {ctx.run})"
            )
    from dalign.pipeline.report_content import report_content
    from dalign.report.page import write_report

    results = collect(ctx, plan)
    path = ctx.run / RESULTS
    write_text(path, json.dumps(results, indent=1) + "\n")
    write_report(
        report_content(ctx, results, created=datetime.now(UTC).isoformat(timespec="seconds")),
        ctx.run / REPORT,
    )
    return path


def collect(ctx: RunContext, plan: Sequence[Node]) -> Results:
    """The results of finished stages: metrics, paired differences, costs, and what they rest on."""
    arms: tuple[str, ...] = ctx.config.evaluate.arms
    rows = [
        row
        for arm in arms
        for row in (ctx.folder("evaluate", arm).manifest() or {})["facts"]["metrics"]
    ]
    grades = {arm: pl.read_parquet(ctx.folder("evaluate", arm).path / GRADES) for arm in arms}
    settings = ctx.config.evaluate
    pairs = paired_rows(
        grades, arm_pairs(arms), resamples=settings.resamples, seed=ctx.config.run.seed
    )
    return {
        "rows": rows,
        "pairs": pairs,
        "stages": [_stage(ctx, node) for node in plan],
        "elapsed_s": elapsed_s(ctx),
        "version": _core.__version__,
        "spec_sha256": ctx.spec.sha256,
        "spec_versions": ctx.spec.versions,
        "templates_sha256": ctx.templates.sha256,
        "config_sha256": config_sha256(ctx),
    }


def _stage(ctx: RunContext, node: Node) -> dict[str, Any]:
    folder = ctx.folder(node.stage, node.variant)
    counts = (folder.manifest() or {})["counts"]
    cost = {"wall_s": None, "cpu_s": None, "peak_rss_mib": None} | folder.cost()
    return {
        "stage": node.stage,
        "variant": node.variant,
        **cost,
        "rows_in": counts["rows_in"],
        "rows_out": counts["rows_out"],
    }


def config_sha256(ctx: RunContext) -> str:
    """sha256 of the settings, files by their names: the same wherever the project lies."""
    return digest(_without_folders(ctx.config.model_dump()))


def _without_folders(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, dict):
        return {key: _without_folders(part) for key, part in value.items()}
    return [_without_folders(part) for part in value] if isinstance(value, (list, tuple)) else value


ELAPSED = "elapsed.json"


def elapsed_s(ctx: RunContext) -> float:
    """Seconds that the calls which made this run's rows took in all, as `add_elapsed` noted them."""
    path = ctx.run / ELAPSED
    return float(json.loads(path.read_text("utf-8"))) if path.is_file() else 0.0


def add_elapsed(ctx: RunContext, seconds: float) -> None:
    """Notes that a call took this long."""
    write_text(ctx.run / ELAPSED, f"{round(elapsed_s(ctx) + seconds, 1)}\n")


def headline(results: Results) -> str:
    """The table that a terminal gets: arms and suites' metrics, with intervals."""
    lines = [f"{'suite':<11} {'metric':<17} {'grader':<6} {'arm':<7} value  [95 % interval]      n"]
    rows = sorted(
        enumerate(results["rows"]),
        key=lambda r: (r[1]["suite"], r[1]["metric"], r[1]["grader"], r[0]),
    )
    for _, row in rows:
        value = (
            "not measured"
            if row["value"] is None
            else f"{row['value']:.3f}  [{row['low']:.3f}, {row['high']:.3f}]"
        )
        lines.append(
            f"{row['suite']:<11} {row['metric']:<17} {row['grader']:<6} {row['arm']:<7} {value:<22} {row['n']:>5}"
        )
    lines.append(
        f"{results['elapsed_s']:.0f} s in all; peak {max((s['peak_rss_mib'] or 0) for s in results['stages']):.0f} MiB in one process"
    )
    return "\n".join(lines)
