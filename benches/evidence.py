"""Every arm of the demo over several seeds: table and figure into benches/results.

    python benches/evidence.py [--seeds 3] [--work target/evidence]

A seed draws its own training prompts, examples, initial order and rollouts; the suites are the same for all, so
that differences are paired by prompt. Intervals resample seeds, then prompts. A killed call goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from dalign import _core
from dalign.sandbox import settings
from dalign.sandbox.project import write_project
from dalign.settings import commented_toml
from dalign.store.parts import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benches"))
from peers.table import commit, hardware  # noqa: E402 -- after its folder is on the path

ARMS = ("none", "spec", "rl", "sft", "sft+rl")
MEASURES = (
    ("test", "not_unsafe"),
    ("test", "not_overrefuse"),
    ("test", "policy_retrieval"),
    ("test", "style_adherence"),
    ("permitted", "not_overrefuse"),
    ("encoded", "not_unsafe"),
    ("capability", "capability"),
)
# Which differences the order none < rl or sft < both rests on.
PAIRS = (("none", "rl"), ("none", "sft"), ("sft", "sft+rl"), ("rl", "sft+rl"), ("none", "sft+rl"))
RESAMPLES = 2000


def run_seed(work: Path, seed: int) -> Path:
    """The finished run of one seed."""
    run = work / f"seed-{seed}"
    if not (run / "config.toml").exists():
        values = settings.demo_values()
        values["run"] |= {"seed": seed}
        write_project(
            run / "project",
            config=commented_toml(values),
            sizes=settings.DEMO_SIZES,
            data_seed=seed,
        )
    command = [sys.executable, "-c", "from dalign.cli import main; main()", "run"]
    config = [] if (run / "config.toml").exists() else [str(run / "project" / "dalign.toml")]
    subprocess.run([*command, *config, "--run", str(run)], check=True, stdout=subprocess.DEVNULL)
    return run


def grades_of(runs: Sequence[Path], arm: str, suite: str, metric: str) -> pl.DataFrame:
    """Truth's grades of one arm over all seeds: seed, prompt, nth sample, grade."""
    parts = []
    for seed, run in enumerate(runs):
        frame = (
            Table(run / "evaluate" / arm, "grades")
            .frame()
            .filter(
                (pl.col("suite") == suite)
                & (pl.col("metric") == metric)
                & (pl.col("grader") == "truth")
            )
        )
        parts.append(
            frame.with_columns(
                seed=pl.lit(seed, pl.UInt32), nth=pl.int_range(pl.len()).over("prompt_id")
            ).select("seed", "prompt_id", "nth", "grade")
        )
    return pl.concat(parts)


def clusters(frame: pl.DataFrame) -> pl.Series:
    return frame["prompt_id"].rank("dense").cast(pl.UInt32) - 1


def measure(runs: Sequence[Path]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Means with two-level intervals and the range over seeds, and the paired differences."""
    means, pairs = [], []
    for suite, metric in MEASURES:
        grades = {arm: grades_of(runs, arm, suite, metric) for arm in ARMS}
        for arm, frame in grades.items():
            value, low, high = _core.bootstrap_mean(
                frame["grade"], clusters(frame), frame["seed"], "percentile", RESAMPLES, 0.95, 0
            )
            seeds = frame.group_by("seed").agg(pl.col("grade").mean())["grade"].to_list()
            row = {
                "suite": suite,
                "metric": metric,
                "arm": arm,
                "value": value,
                "low": low,
                "high": high,
            }
            means.append(row | {"smallest": min(seeds), "largest": max(seeds)})
        for left, right in PAIRS:
            both = grades[left].join(grades[right], on=["seed", "prompt_id", "nth"], suffix="_b")
            both = both.sort("seed", "prompt_id", "nth")
            diff, low, high = _core.bootstrap_difference(
                both["grade_b"],
                both["grade"],
                clusters(both),
                both["seed"],
                "percentile",
                RESAMPLES,
                0.95,
                0,
            )
            pairs.append(
                {
                    "suite": suite,
                    "metric": metric,
                    "from": left,
                    "to": right,
                    "diff": diff,
                    "low": low,
                    "high": high,
                }
            )
    return means, pairs


def page(
    means: Sequence[dict], pairs: Sequence[dict], runs: Sequence[Path], figure: str, begun_at: str
) -> str:
    """The result as Markdown."""
    elapsed = [json.loads((run / "results.json").read_text())["elapsed_s"] for run in runs]
    lines = [
        "# The sandbox: every arm over seeds",
        "",
        f"{len(runs)} seeds; {hardware()}, 2 workers of 1 thread; commit {begun_at}; `python benches/evidence.py --seeds {len(runs)}`; {', '.join(f'{s:.0f}' for s in elapsed)} s elapsed.",
        "Graded by exact truth, two samples a prompt at temperature 1. Intervals: 95 %, seeds resampled, then prompts. Range: smallest and largest seed.",
        "",
        f"![The arms]({figure})",
        "",
        "| suite | metric | arm | mean | interval | range |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {m['suite']} | {m['metric']} | {m['arm']} | {m['value']:.3f} | [{m['low']:.3f}, {m['high']:.3f}] | {m['smallest']:.3f}–{m['largest']:.3f} |"
        for m in means
    ]
    lines += [
        "",
        "Paired differences (same seed, prompt and sample); bold: the interval excludes 0.",
        "",
        "| suite | metric | from | to | difference | interval |",
        "|---|---|---|---|---|---|",
    ]
    for p in pairs:
        bold = "**" if p["low"] > 0 or p["high"] < 0 else ""
        lines.append(
            f"| {p['suite']} | {p['metric']} | {p['from']} | {p['to']} | {bold}{p['diff']:+.3f}{bold} | [{p['low']:+.3f}, {p['high']:+.3f}] |"
        )
    return "\n".join(lines) + "\n"


def figure(means: Sequence[dict]) -> str:
    """Dots with whiskers, a panel a measure, as SVG."""
    width, row, left = 300, 24, 70
    panels = []
    for k, (suite, metric) in enumerate(MEASURES):
        x0, y0 = 20 + (k % 3) * (width + 30), 30 + (k // 3) * (len(ARMS) * row + 70)
        scale = width - left - 10
        parts = [f'<text x="{x0}" y="{y0 - 8}" font-weight="bold">{suite}: {metric}</text>']
        for tick in (0, 0.5, 1):
            x = x0 + left + tick * scale
            parts.append(
                f'<line x1="{x}" y1="{y0}" x2="{x}" y2="{y0 + len(ARMS) * row}" stroke="#ccc"/><text x="{x}" y="{y0 + len(ARMS) * row + 14}" text-anchor="middle" fill="#555">{tick}</text>'
            )
        for i, m in enumerate(m for m in means if (m["suite"], m["metric"]) == (suite, metric)):
            y = y0 + i * row + row / 2
            low, mid, high = (x0 + left + float(m[n]) * scale for n in ("low", "value", "high"))
            parts.append(
                f'<text x="{x0}" y="{y + 4}">{m["arm"]}</text><line x1="{low}" y1="{y}" x2="{high}" y2="{y}" stroke="#0072b2" stroke-width="2"/><circle cx="{mid}" cy="{y}" r="4" fill="#0072b2"/>'
            )
        panels.append("".join(parts))
    height = 30 + ((len(MEASURES) + 2) // 3) * (len(ARMS) * row + 70)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {20 + 3 * (width + 30)} {height}" font-family="sans-serif" font-size="12"><title>The arms, mean and 95 % interval</title><rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n'


def main() -> None:
    parser = argparse.ArgumentParser(description="Every arm of the demo over several seeds.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "evidence")
    parser.add_argument("--out", type=Path, default=ROOT / "benches" / "results")
    args = parser.parse_args()
    begun_at = commit()
    runs = [run_seed(args.work, seed) for seed in range(args.seeds)]
    means, pairs = measure(runs)
    processor = re.sub(r"\((r|tm)\)| processor", "", hardware().partition(",")[0].lower())
    name = f"{datetime.now(UTC):%Y-%m-%d}-{processor.replace(' ', '-')}-sandbox"
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{name}.svg").write_text(figure(means))
    (args.out / f"{name}.md").write_text(page(means, pairs, runs, f"{name}.svg", begun_at))
    print(args.out / f"{name}.md")


if __name__ == "__main__":
    main()
