"""The table of ratios: as text, as JSON, and as a page for benches/results."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from peers.environments import ROOT
from peers.runner import Row

HEADINGS = (
    "path",
    "peer",
    "version",
    "n",
    "dalign s",
    "peer s",
    "ratio",
    "spread",
    "least",
    "goal",
    "reached",
    "equal",
    "peak MiB",
)


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if value < 1 else f"{value:.2f}"


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def spread(row: Row) -> str:
    """The smallest and the largest ratio of a pair of runs."""
    clock = "wall" if "peer_runs_wall_s" in row else "cpu"
    theirs = row.get(f"peer_runs_{clock}_s")
    if not theirs:
        return "-"
    ratios = [b / a for a, b in zip(row[f"dalign_runs_{clock}_s"], theirs, strict=True)]
    return f"{min(ratios):.3g}–{max(ratios):.3g}"


def own_peak_mib(row: Row) -> float:
    """The peak without what the bare interpreter holds, where the goal is meant so."""
    peak: float = row["peak_rss_mib"] - row.get("bare_rss_mib", 0.0)
    return peak


def reached(row: Row) -> str:
    """Whether speed and, where one is set, memory keep their goals on equal outputs."""
    if row["ratio"] is None:
        return "no"
    fast = row["ratio"] >= row["goal"]
    small = own_peak_mib(row) <= row.get("peak_goal_mib", float("inf"))
    return (
        "yes"
        if fast and small and row["equal"]
        else "no"
        if not fast
        else "memory"
        if row["equal"]
        else "no"
    )


def cells(row: Row) -> list[str]:
    scaled = f" (of {row['scaled_from']:,})" if "scaled_from" in row else ""
    peak = "-" if row["peak_rss_mib"] is None else f"{row['peak_rss_mib']:.0f}"
    limit = f" ≤ {row['peak_goal_mib']:.0f}" if "peak_goal_mib" in row else ""
    if row.get("bare_rss_mib"):
        peak += f" − {row['bare_rss_mib']:.0f}"
    return [
        row["path"],
        row["peer"],
        row["peer_version"],
        f"{row['n']:,} {row['unit']}",
        seconds(row.get("dalign_wall_s", row["dalign_cpu_s"])),
        seconds(row.get("peer_wall_s", row["peer_cpu_s"])) + scaled,
        ratio(row["ratio"]),
        spread(row),
        ratio(row.get("least_ratio")),
        f"{row['goal']:g}",
        reached(row),
        "yes" if row["equal"] else "no",
        peak + limit,
    ]


def as_text(rows: list[Row]) -> str:
    """Aligned columns, and below them what was compared."""
    lines = [list(HEADINGS), *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    notes = [f"{row['path']} / {row['peer']}: {row['note']}" for row in rows]
    return "\n".join(line.rstrip() for line in [*text, "", *notes])


def hardware() -> str:
    """The processor's name and how many threads of it there are."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        name = next(
            (line.partition(":")[2].strip() for line in lines if "model name" in line), name
        )
        count = sum(line.startswith("processor") for line in lines)
        return f"{name}, {count} hardware threads"
    return name


def commit() -> str:
    """The commit that is measured, and whether the tree differs from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def as_page(rows: list[Row], command: str, minutes: float) -> str:
    """Markdown: hardware, commit, command, the table, and what each comparison compared."""
    table = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    table += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    notes = [f"- {row['path']} / {row['peer']}: {row['note']}" for row in rows]
    versions = sorted({row["dalign_version"] for row in rows if row.get("dalign_version")})
    return "\n".join(
        [
            f"# dalign and other tools, {datetime.now(UTC):%Y-%m-%d}",
            "",
            f"{hardware()}; Python {platform.python_version()}; dalign {', '.join(versions)} at commit {commit()}; `{command}`; {minutes:.0f} minutes.",
            "",
            "Medians of CPU seconds (user and system) of the measured section, dalign and the peer in turn, each run in a process of its own and on one thread; imports and the loading of inputs are not in it. What takes less than two seconds is called at least three times in the same process, and its median taken; where that holds of both sides, there are seven pairs of runs, else three. *Spread*: smallest and largest ratio of a pair of runs. *Least*: ratio of the least time of all calls on either side, which says most where the machine does something else at times; what is reached is told by the medians. *(of n)*: the peer ran on the first so many and its time is scaled in proportion. *Peak*: the most memory that dalign's process held, interpreter and inputs with it; after a minus sign what the bare interpreter held with its imports, where the limit is meant without. A row without a version is an absolute speed. *Elapsed*: seconds by the clock, the best of 24 calls in each of six runs.",
            "",
            *table,
            "",
            "What was compared:",
            "",
            *notes,
            "",
        ]
    )


def write_json(rows: list[Row], path: Path) -> None:
    """All rows, every key of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def command_line() -> str:
    """The command as it was typed, by the name of the interpreter alone."""
    return " ".join([Path(sys.executable).name, "-m peers", *sys.argv[1:]])
