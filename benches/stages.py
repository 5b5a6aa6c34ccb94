"""Time and memory of a run's stages against size, with an engine that answers at once: a page into benches/results.

    python benches/stages.py [10000 100000 1000000] [--resumed 10000] [--work target/stages] [--out benches/results]

Each point is a process of its own. The policy is specs/safety, so that a request of the judge carries a system prompt
of its whole length; completions have about 800 bytes of reasoning and 400 of answer. What the engine itself takes is
taken off.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import os
import pstats
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benches"))

from instant import BATCH, COMPLETIONS_A_PROMPT, JUDGEMENTS, InstantEngine, write_project  # noqa: E402 -- after its folder is on the path
from peers.side import cpu_seconds, peak_mib  # noqa: E402 -- as above
from peers.table import commit, hardware  # noqa: E402 -- as above

SIZES = (10_000, 100_000, 1_000_000)
# Every stage with what it makes a row of; generate stands here for what the others read.
STAGES = {
    "generate": "completion",
    "filter": "completion",
    "judge": "judgement",
    "select": "completion",
    "pack": "completion",
    "evaluate": "judgement",
}
# The chat template is filled in by transformers, which takes seconds to import.
LOADED_BY_PACK = ("torch", "transformers.models.auto.tokenization_auto")
GROWTH = 11
PEAK_MIB = 2048
JUDGEMENT_US = 60
Point = dict[str, Any]


def run_stage(work: Path, run: Path, stage: str, engines: dict[str, InstantEngine]) -> None:
    """Runs one stage of the project, its engines replaced by these."""
    from dalign.config import Model
    from dalign.pipeline.engines import Engines
    from dalign.pipeline.plan import make_plan
    from dalign.pipeline.project import bring_in
    from dalign.pipeline.runner import Opened, run_plan
    from dalign.progress import Progress
    from dalign.settings import load_config
    from dalign.store.run import RunFolder

    class InstantEngines(Engines):
        def open(self, model: Model, *, afresh: bool = False) -> InstantEngine:
            return engines[Path(model.path).stem]

    config, folder = load_config(work / "dalign.toml", []), RunFolder(run)
    project = bring_in(config, folder.inputs, None)
    opened = Opened(project, InstantEngines(config), folder, Progress())
    wanted = "evaluate/none" if stage == "evaluate" else f"{stage}/main"
    ran = run_plan(opened, [each for each in make_plan(config) if each.name == wanted])
    assert ran == [wanted]


def measure_here(work: Path, run: Path, stage: str, kill_after: int | None) -> Point:
    """One stage, in the process that this is."""
    engines = {
        "model": InstantEngine(judge=False),
        "judge": InstantEngine(judge=True, kill_after=kill_after),
    }
    engines["model"].warm()
    for module in ("dalign.pipeline.runner", *(LOADED_BY_PACK if stage == "pack" else ())):
        import_module(module)
    before, begun = peak_mib(), cpu_seconds()
    run_stage(work, run, stage, engines)
    own = sum(engine.own_cpu_s for engine in engines.values())
    return {
        "cpu_s": cpu_seconds() - begun - own,
        "engine_cpu_s": own,
        "before_mib": before,
        "peak_mib": peak_mib(),
        "asked": sum(engine.asked for engine in engines.values()),
    }


def measure(
    work: Path, run: Path, stage: str, *, kill_after: int | None = None, profile: Path | None = None
) -> Point:
    """One stage in a process of its own on one thread; a killed one has no figures."""
    command = [sys.executable, __file__, "--point", stage, "--work", str(work), "--run", str(run)]
    if kill_after is not None:
        command += ["--kill-after", str(kill_after)]
    if profile is not None:
        command += ["--profile", str(profile)]
    threads = dict.fromkeys(("RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, check=False)
    if kill_after is not None and done.returncode == -signal.SIGKILL:
        return {}
    done.check_returncode()
    point: Point = json.loads(done.stdout.splitlines()[-1])
    return point


def points_of(work: Path, completions: int) -> list[Point]:
    """A fresh run of this size, stage by stage."""
    folder = work / str(completions)
    write_project(folder, completions)
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    points = []
    for stage in STAGES:
        point = {"stage": stage, "completions": completions} | measure(folder, run, stage)
        points.append(point)
        print(point, file=sys.stderr, flush=True)
    return points


def resumed(work: Path, completions: int) -> Point:
    """The judge stage killed at half and gone on with, beside one that nothing disturbed."""
    folder = work / str(completions)
    whole, killed = folder / "run", folder / "killed"
    shutil.rmtree(killed, ignore_errors=True)
    for stage in ("inputs", "generate", "filter"):
        shutil.copytree(whole / stage, killed / stage)
    asked = judgements_in(whole)
    kill_after = asked // 2 // BATCH * BATCH
    measure(folder, killed, "judge", kill_after=kill_after)
    again = measure(folder, killed, "judge")
    return {
        "completions": completions,
        "judgements": asked,
        "before_the_kill": kill_after,
        "asked_again": kill_after + again["asked"] - asked,
        "cpu_s": again["cpu_s"],
        "peak_mib": again["peak_mib"],
        "same_bytes": content(whole / "judge") == content(killed / "judge"),
    }


def judgements_in(run: Path) -> int:
    manifest = json.loads((run / "judge/main/manifest.json").read_text())
    return int(manifest["counts"]["verdicts"])


def content(folder: Path) -> dict[str, str]:
    """A hash of each file; what a stage cost is no part of what it made."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "cost.json"
    }


def judgements(points: list[Point]) -> dict[int, int]:
    """Judgements a size: four a completion that is well formed."""
    return {p["completions"]: p["asked"] for p in points if p["stage"] == "judge"}


def page(points: list[Point], resumes: list[Point], begun_at: str, command: str) -> str:
    """The results as Markdown."""
    lines = [
        "# A run's stages against size",
        "",
        f"{hardware()}; commit {begun_at}; `{command}`; {datetime.now(UTC):%Y-%m-%d}.",
        "",
        f"One process a point, one thread, an engine in the process that answers at once in batches of {BATCH}; what it takes itself is taken off. {COMPLETIONS_A_PROMPT} completions a prompt, {JUDGEMENTS} judgements a completion, policy specs/safety. *evaluate* completes, judges, asks the classifier of policy retrieval and grades by patterns too: its column *a row* is by the judgements alone. *Growth*: CPU seconds against the size before, to stay below {GROWTH}. Imports are not in the time. *Held before*: interpreter and imports. Peak: of the process, to stay below {PEAK_MIB} MiB at 10⁶. A judgement of the judge stage is to take at most {JUDGEMENT_US} µs.",
        "",
        "| stage | completions | requests | CPU s | growth | µs a row | row | held before, MiB | peak, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [table_row(point, points) for point in by_stage(points)]
    if resumes:
        lines += [
            "",
            "The judge stage, killed (`kill -9`) when half of the requests were answered and the last batch was not handed on, and gone on with:",
            "",
            "| completions | judgements | answered before the kill | asked again | CPU s of the rest | peak, MiB | same bytes |",
            "|---|---|---|---|---|---|---|",
        ]
    for point in resumes:
        lines.append(
            f"| {point['completions']:,} | {point['judgements']:,} | {point['before_the_kill']:,} | {point['asked_again']:,} | {point['cpu_s']:.2f} | {point['peak_mib']:.0f} | {'yes' if point['same_bytes'] else 'no'} |"
        )
    return "\n".join(lines) + "\n"


def by_stage(points: list[Point]) -> list[Point]:
    return [point for stage in STAGES for point in points if point["stage"] == stage]


def table_row(point: Point, points: list[Point]) -> str:
    row, size = STAGES[point["stage"]], point["completions"]
    rows = judgements(points)[size] if row == "judgement" else size
    smaller = [p for p in points if p["stage"] == point["stage"] and p["completions"] * 10 == size]
    growth = f"{point['cpu_s'] / smaller[0]['cpu_s']:.1f}×" if smaller else "-"
    asked = f"{point['asked']:,}" if point["asked"] else "-"
    return (
        f"| {point['stage']} | {size:,} | {asked} | {point['cpu_s']:.2f} | {growth}"
        f" | {point['cpu_s'] / rows * 1e6:.1f} | {row} | {point['before_mib']:.0f} | {point['peak_mib']:.0f} |"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", type=int, nargs="*", default=list(SIZES), help="completions")
    parser.add_argument("--resumed", type=int, nargs="*", help="sizes to kill at half; all")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "stages")
    parser.add_argument("--out", type=Path, default=ROOT / "benches" / "results")
    parser.add_argument("--point", choices=STAGES, help="only one stage, printed as JSON")
    parser.add_argument("--run", type=Path, help="with --point: the run's folder")
    parser.add_argument("--kill-after", type=int, help="with --point: the judge's requests")
    parser.add_argument("--profile", type=Path, help="with --point: functions by their own time")
    return parser.parse_args()


def one_point(given: argparse.Namespace) -> None:
    """Measures and prints; with --profile, writes which functions took how long."""
    work, run = given.work.resolve(), given.run.resolve()
    if given.profile is None:
        print(json.dumps(measure_here(work, run, given.point, given.kill_after)))
        return
    profiler = cProfile.Profile()
    profiler.runcall(measure_here, work, run, given.point, given.kill_after)
    with given.profile.open("w") as out:
        for order in ("tottime", "cumtime"):
            pstats.Stats(profiler, stream=out).sort_stats(order).print_stats(40)


def main() -> None:
    """All points, the smallest size first; the page is written anew after each size."""
    given = arguments()
    if given.point:
        one_point(given)
        return
    # Before the page of an earlier run is written over, which would make the tree differ.
    begun_at, command = commit(), f'make bench-stages ARGS="{" ".join(map(str, given.sizes))}"'
    processor = re.sub(r"\((r|tm)\)| processor", "", hardware().partition(",")[0].lower())
    name = f"{datetime.now(UTC):%Y-%m-%d}-{processor.replace(' ', '-')}-stages.md"
    given.out.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    resumes: list[Point] = []
    for completions in sorted(given.sizes):
        points += points_of(given.work, completions)
        if given.resumed is None or completions in given.resumed:
            resumes.append(resumed(given.work, completions))
            print(resumes[-1], file=sys.stderr, flush=True)
        text = page(points, resumes, begun_at, command)
        (given.out / name).write_text(text, encoding="utf-8")
    print(given.out / name)


if __name__ == "__main__":
    main()
