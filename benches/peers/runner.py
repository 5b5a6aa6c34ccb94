"""Runs dalign and a peer in turn on the same input, and says what came out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peers.environments import TARGET, installed, variables
from peers.protocol import OURS, Agreement, Comparison, Peer
from peers.registry import module_of

Row = dict[str, Any]
HERE = Path(__file__).parent
# Of what is soon over, a run makes so many calls at least.
CALLS = 3
# Elapsed time needs more runs and calls than CPU time: to meet a moment at which the machine does nothing
# else, and since of several threads each has to learn by itself.
ELAPSED_RUNS, ELAPSED_CALLS = 6, 24


class SideError(RuntimeError):
    """A side stopped with an error; the message is its last line."""


@dataclass(frozen=True)
class Settings:
    """What holds for every path."""

    n: int | None
    seed: int
    runs: int
    threads: int


def process(environment: str, module: str, arguments: list[str], threads: int) -> str:
    """What a module of this package prints in that environment."""
    done = subprocess.run(
        [str(installed(environment)), "-m", module, *arguments],
        env=variables(environment, threads),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise SideError(lines[-1])
    return done.stdout


def sources_hash(comparison: Comparison) -> str:
    """Changes with what generates inputs, so that older ones are not taken for them."""
    generators = sorted((HERE / "generate").glob("*.py"))
    files = [
        HERE / "paths" / f"{module_of(comparison.path)}.py",
        HERE / "vocabularies.py",
        *generators,
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def inputs_of(comparison: Comparison, n: int, seed: int) -> Path:
    """The folder of these inputs, which are made where they are not there yet."""
    name = f"{comparison.path}-{n}-{seed}-{sources_hash(comparison)}"
    folder = TARGET / "inputs" / name
    if not folder.exists():
        making = folder.with_name(f"{name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        process(OURS, "peers.inputs", [comparison.path, str(making), str(n), str(seed)], threads=2)
        making.rename(folder)
    return folder


class Runs:
    """The runs of one side of one path, each in its own process and with its own outputs."""

    def __init__(self, comparison: Comparison, side: str, environment: str, settings: Settings):
        self.comparison = comparison
        self.side = side
        self.environment = environment
        self.settings = settings
        self.lines: list[Row] = []
        self.outputs: list[Path] = []

    def once(self, inputs: Path, *, save: bool, counted: bool = True, calls: int = CALLS) -> None:
        """One more run; its output is kept where it is to be compared."""
        seed = self.settings.seed + len(self.lines)
        name = self.side.replace(" ", "-").replace("/", "-")
        out = TARGET / "outputs" / self.comparison.path / f"{name}-{inputs.name}-{seed}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        arguments = [self.comparison.path, self.side, str(inputs), str(out), str(seed)]
        arguments += ["save" if save else "leave", str(calls)]
        line = json.loads(process(self.environment, "peers.side", arguments, self.settings.threads))
        if counted:
            self.lines.append(line)
        if save:
            self.outputs.append(out)
        else:
            shutil.rmtree(out)

    def are_short(self) -> bool:
        """Whether each call was over so soon that it was repeated."""
        return all(line["calls"] > 1 for line in self.lines)

    def column(self, key: str) -> list[float]:
        return [line[key] for line in self.lines]

    def clean(self) -> None:
        for out in self.outputs:
            shutil.rmtree(out, ignore_errors=True)


def against_peer(comparison: Comparison, peer: Peer, settings: Settings) -> Row:
    """One row: dalign, the peer, dalign, the peer, and so on, then their outputs compared."""
    n = settings.n or comparison.n
    peer_n = min(n, peer.limit or n)
    inputs = inputs_of(comparison, n, settings.seed)
    peer_inputs = inputs_of(comparison, peer_n, settings.seed)
    ours = Runs(comparison, "dalign", OURS, settings)
    theirs = Runs(comparison, peer.name, peer.environment, settings)
    try:
        nth, runs = 0, settings.runs
        while nth < runs:
            ours.once(inputs, save=nth == 0 and peer_n == n)
            theirs.once(peer_inputs, save=nth < peer.saved)
            nth += 1
            if nth == settings.runs and ours.are_short() and theirs.are_short():
                # A median of few is luck where a machine changes its speed for seconds.
                runs = 2 * settings.runs + 1
        if peer_n != n:
            ours.once(peer_inputs, save=True, counted=False)
        agreement = comparison.agree(peer_inputs, ours.outputs[0], theirs.outputs)
    finally:
        ours.clean()
        theirs.clean()
    scale = n / peer_n
    row = times(ours, comparison, n) | {
        "peer": peer.name,
        "peer_version": theirs.lines[0]["version"],
        "peer_cpu_s": statistics.median(theirs.column("cpu_s")) * scale,
        "goal": peer.goal,
        "equal": agreement.equal,
        "note": agreement.note,
        "peer_runs_cpu_s": [seconds * scale for seconds in theirs.column("cpu_s")],
        "peer_least_cpu_s": min(theirs.column("least_cpu_s")) * scale,
        "peer_peak_rss_mib": round(max(theirs.column("peak_rss_mib")), 1),
    }
    row["ratio"] = row["peer_cpu_s"] / row["dalign_cpu_s"]
    row["least_ratio"] = row["peer_least_cpu_s"] / row["dalign_least_cpu_s"]
    if peer_n != n:
        row["scaled_from"] = peer_n
    add_peak_goal(row, comparison, inputs)
    return row | dict(agreement.measured)


def against_target(comparison: Comparison, settings: Settings) -> Row:
    """One row of dalign alone, in million units a CPU second."""
    target = comparison.target
    if target is None:
        raise ValueError(f"{comparison.path} has no target")
    n = settings.n or target.n
    ours = Runs(comparison, "dalign", OURS, settings)
    inputs = inputs_of(comparison, n, settings.seed)
    try:
        for nth in range(settings.runs):
            ours.once(inputs, save=nth == 0)
        agreement: Agreement = comparison.agree(inputs, ours.outputs[0], [])
    finally:
        ours.clean()
    row = times(ours, comparison, n) | {
        "peer": f"million {comparison.unit} a CPU second",
        "peer_version": "",
        "peer_cpu_s": None,
        "goal": target.goal,
        "equal": agreement.equal,
        "note": agreement.note,
    }
    ratios = {"ratio": "dalign_cpu_s", "least_ratio": "dalign_least_cpu_s"}
    return row | {name: n / row[time] / 1e6 for name, time in ratios.items()}


def against_one_thread(comparison: Comparison, settings: Settings) -> Row:
    """One row of dalign alone: elapsed time on one thread over that on several, the best call of each.

    The best and not the median: what else the machine does takes from several threads more than from one.
    """
    threads = comparison.threads
    if threads is None:
        raise ValueError(f"{comparison.path} sets no number of threads")
    n = settings.n or comparison.n
    inputs = inputs_of(comparison, n, settings.seed)
    several = Runs(comparison, "dalign", OURS, replace(settings, threads=threads.count))
    one = Runs(comparison, "dalign", OURS, replace(settings, seed=settings.seed + 1000, threads=1))
    try:
        for nth in range(max(settings.runs, ELAPSED_RUNS)):
            several.once(inputs, save=nth == 0, calls=ELAPSED_CALLS)
            one.once(inputs, save=nth == 0, calls=ELAPSED_CALLS)
        agreement = comparison.agree(inputs, several.outputs[0], one.outputs)
    finally:
        several.clean()
        one.clean()
    elapsed = min(several.column("best_wall_s")), min(one.column("best_wall_s"))
    loads = "/".join(f"{load:.1f}" for load in os.getloadavg())
    note = (
        f"elapsed {elapsed[0]:.3f} s on {threads.count} threads, {elapsed[1]:.3f} s on one;"
        f" load averages {loads}; {agreement.note}"
    )
    return times(several, comparison, n) | {
        "peer": f"dalign on one thread, elapsed, {threads.count} threads",
        "peer_version": one.lines[0]["version"],
        "peer_cpu_s": statistics.median(one.column("cpu_s")),
        "goal": threads.goal,
        "equal": agreement.equal,
        "note": note,
        "dalign_runs_wall_s": several.column("best_wall_s"),
        "peer_runs_wall_s": one.column("best_wall_s"),
        "dalign_wall_s": elapsed[0],
        "peer_wall_s": elapsed[1],
        "ratio": elapsed[1] / elapsed[0],
    }


def times(ours: Runs, comparison: Comparison, n: int) -> Row:
    """What every row says of dalign's runs."""
    return {
        "path": comparison.path,
        "n": n,
        "unit": comparison.unit,
        "dalign_cpu_s": statistics.median(ours.column("cpu_s")),
        "dalign_runs_cpu_s": ours.column("cpu_s"),
        "dalign_least_cpu_s": min(ours.column("least_cpu_s")),
        "peak_rss_mib": round(max(ours.column("peak_rss_mib")), 1),
        "loaded_rss_mib": round(max(ours.column("loaded_rss_mib")), 1),
        "bare_rss_mib": round(min(ours.column("bare_rss_mib")), 1) if comparison.modules else 0.0,
        "dalign_first_cpu_s": statistics.median(ours.column("first_cpu_s")),
        "dalign_version": ours.lines[0]["version"],
    }


def add_peak_goal(row: Row, comparison: Comparison, inputs: Path) -> None:
    """The most memory that the path may take, where one is set."""
    if comparison.peak_goal_mib is not None:
        row["peak_goal_mib"] = round(comparison.peak_goal_mib(inputs), 1)


def rows_of(comparison: Comparison, settings: Settings, peers: list[Peer]) -> list[Row]:
    """All rows of one path; a side that fails is a row that says so."""
    rows = []
    for peer in peers:
        try:
            rows.append(against_peer(comparison, peer, settings))
        except SideError as failure:
            rows.append(failed(comparison, peer.name, peer.goal, settings, str(failure)))
        report(rows[-1])
    if comparison.target is not None:
        rows.append(against_target(comparison, settings))
        report(rows[-1])
    if comparison.threads is not None and (os.cpu_count() or 1) >= comparison.threads.count:
        rows.append(against_one_thread(comparison, settings))
        report(rows[-1])
    return rows


def failed(comparison: Comparison, peer: str, goal: float, settings: Settings, why: str) -> Row:
    """A row without figures, and the reason."""
    return {
        "path": comparison.path,
        "peer": peer,
        "peer_version": "",
        "n": settings.n or comparison.n,
        "unit": comparison.unit,
        "dalign_cpu_s": None,
        "peer_cpu_s": None,
        "ratio": None,
        "goal": goal,
        "equal": False,
        "peak_rss_mib": None,
        "note": f"not measured: {why}",
    }


def report(row: Row) -> None:
    """One line as soon as a row is there."""
    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3g}"
    print(
        f"{row['path']} / {row['peer']}: {ratio} (goal {row['goal']:g}), equal {row['equal']}: {row['note']}",
        file=sys.stderr,
        flush=True,
    )
