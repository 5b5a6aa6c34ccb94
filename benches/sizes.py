"""Memory and time against size for filter, dedup, pack and aggregate: table and figure into benches/results.

    python benches/sizes.py [--most 10000000] [--work target/sizes] [--out benches/results]

Each point is a process of its own on one thread. Rows are short, so that the largest files stay below 3 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benches"))

from peers.side import cpu_seconds, peak_mib  # noqa: E402 -- after its folder is on the path
from peers.table import commit, hardware  # noqa: E402 -- as above

SMALLEST = 10_000
# What filter and dedup are told to hold of hashes: 10⁷ of them do not fit, and go to files.
HASHES_MIB = 64
SAMPLES = 8
CAPACITY = 1024
WORDS = ("the", "policy", "says", "refuse", "comply", "answer", "safely", "request", "user", "asks")


def write_rows(path: Path, rows: int) -> None:
    """Short completions, a tenth without a closing tag and a tenth that stood before."""
    if path.exists():
        return
    making = path.with_suffix(".making")
    with making.open("w", encoding="utf-8") as out:
        for start in range(0, rows, 10_000):
            out.writelines(line(row) for row in range(start, min(start + 10_000, rows)))
    making.rename(path)


def line(row: int) -> str:
    """One row; what it says follows from its number alone."""
    number = row // 2 if row % 10 == 1 else row
    words = " ".join(WORDS[(number >> place) % len(WORDS)] for place in range(0, 24, 2))
    close = "" if row % 10 == 5 else "</think>"
    return f'{{"id": "r{row}", "completion": "<think>{words} {number}{close} {words}"}}\n'


def filter_rows(source: Path, _rows: int) -> Callable[[], object]:
    """Form and length, from file to file; repeated texts stay."""
    return filter_call(source, deduplicate=False)


def deduplicate_rows(source: Path, _rows: int) -> Callable[[], object]:
    """The same pass, and the first of each text only."""
    return filter_call(source, deduplicate=True)


def filter_call(source: Path, *, deduplicate: bool) -> Callable[[], object]:
    from dalign.files.sift import FileJob
    from dalign.pipeline.filter_file import Wanted, filter_file

    # Half of it is for hashes.
    job = FileJob("filter", source, source.with_name("kept.jsonl"), 2 * HASHES_MIB, force=True)
    wanted = Wanted(min_chars=1, max_chars=5_000, dedup=deduplicate)
    return lambda: filter_file(job, wanted)


def pack_rows(_source: Path, rows: int) -> Callable[[], object]:
    """Lists of 16 to 128 tokens into bins of CAPACITY, by parts of a million rows from one packer."""
    import numpy as np
    import pyarrow as pa
    from dalign import _core

    part = min(rows, 1_000_000)
    sizes = np.random.default_rng(1).integers(16, 129, part)
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]))
    tokens = pa.array(np.zeros(int(sizes.sum()), np.int32))
    table = pa.table({"input_ids": pa.LargeListArray.from_arrays(offsets, tokens)})
    packer = _core.TablePacker(CAPACITY, "error")

    def run() -> None:
        for _ in range(rows // part):
            packer.pack(table)

    return run


def aggregate_scores(_source: Path, rows: int) -> Callable[[], object]:
    """The least of SAMPLES scores a row."""
    import numpy as np
    from dalign import _core

    drawn = np.random.default_rng(2).integers(1, 11, rows * SAMPLES, dtype=np.int8)
    scores = drawn.astype(np.float32)
    offsets = np.arange(0, rows * SAMPLES + 1, SAMPLES, dtype=np.uint32)
    return lambda: _core.aggregate(scores, offsets, "min", None, SAMPLES)


PATHS: dict[str, Callable[[Path, int], Callable[[], object]]] = {
    "filter": filter_rows,
    "dedup": deduplicate_rows,
    "pack": pack_rows,
    "aggregate": aggregate_scores,
}


def measure_here(path: str, source: Path, rows: int) -> dict[str, Any]:
    """One point, in the process that this is."""
    run = PATHS[path](source, rows)
    before, begun = peak_mib(), cpu_seconds()
    run()
    seconds = cpu_seconds() - begun
    return {"cpu_s": seconds, "before_mib": before, "peak_mib": peak_mib()}


def measure(path: str, source: Path, rows: int) -> dict[str, Any]:
    """One point, in a process of its own."""
    command = [sys.executable, __file__, "--point", path, "--rows", str(rows), "--source"]
    threads = dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    done = subprocess.run(
        [*command, str(source)], env=os.environ | threads, stdout=subprocess.PIPE, check=True
    )
    point: dict[str, Any] = json.loads(done.stdout)
    print(f"{path} {rows:,}: {point}", file=sys.stderr, flush=True)
    return {"path": path, "rows": rows, "file_mib": source.stat().st_size / (1 << 20)} | point


def page(points: list[dict[str, Any]], figure: str, command: str, begun_at: str) -> str:
    """The results as Markdown."""
    lines = [
        "# Memory and time against size",
        "",
        f"{hardware()}; commit {begun_at}; `{command}`; {datetime.now(UTC):%Y-%m-%d}.",
        "",
        f"One process a point, one thread. filter and dedup go from file to file; dedup is told to hold at most {HASHES_MIB} MiB of hashes, and puts the rest into temporary files. pack takes parts of a million rows of 16 to 128 tokens with one packer; aggregate takes all scores, {SAMPLES} a row, at once, so its memory grows with them. *Held before*: interpreter and inputs.",
        "",
        f"![Memory and time against size]({figure})",
        "",
        "| path | rows | file MiB | CPU s | rows a CPU s | held before, MiB | peak, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for point in points:
        is_file = point["path"] in ("filter", "dedup")
        size = f"{point['file_mib']:.0f}" if is_file else "-"
        lines.append(
            f"| {point['path']} | {point['rows']:,} | {size} | {point['cpu_s']:.3f}"
            f" | {point['rows'] / max(point['cpu_s'], 1e-6):,.0f} | {point['before_mib']:.0f} | {point['peak_mib']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def draw(points: list[dict[str, Any]], file: Path) -> None:
    """Two panels on logarithmic axes: seconds, and peak memory."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "sizes"
    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for path in PATHS:
        mine = [point for point in points if point["path"] == path]
        rows = [point["rows"] for point in mine]
        time.plot(rows, [point["cpu_s"] for point in mine], marker="o", label=path)
        memory.plot(rows, [point["peak_mib"] for point in mine], marker="o", label=path)
    for axes, name in ((time, "CPU seconds"), (memory, "peak memory, MiB")):
        axes.set(xscale="log", yscale="log", xlabel="rows", ylabel=name)
        axes.grid(alpha=0.3)
    memory.axhline(
        HASHES_MIB, color="gray", linestyle=":", label=f"{HASHES_MIB} MiB of hashes allowed"
    )
    memory.legend()
    figure.savefig(file, metadata={"Date": None})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=10_000_000, help="rows of the largest size")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "sizes")
    parser.add_argument("--out", type=Path, default=ROOT / "benches" / "results")
    parser.add_argument("--draw", type=Path, metavar="JSON", help="only the figure, from points")
    parser.add_argument("--point", choices=PATHS, help="only one point, printed as JSON")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--source", type=Path)
    return parser.parse_args()


def figure_of(points: list[dict[str, Any]], work: Path, file: Path) -> None:
    """Draws in the environment of the lock `plot`: the project's own has no matplotlib."""
    from peers.environments import installed

    data = work / "points.json"
    data.write_text(json.dumps(points))
    command = [str(installed("plot")), __file__, "--draw", str(data), "--out", str(file)]
    subprocess.run(command, check=True)


def main() -> None:
    """All points, the smallest first."""
    given = arguments()
    if given.draw:
        draw(json.loads(given.draw.read_text()), given.out)
        return
    if given.point:
        print(json.dumps(measure_here(given.point, given.source, given.rows)))
        return
    given.work.mkdir(parents=True, exist_ok=True)
    # Before the page of an earlier run is written over, which would make the tree differ.
    begun_at = commit()
    points = []
    rows = SMALLEST
    while rows <= given.most:
        source = given.work / f"rows-{rows}.jsonl"
        write_rows(source, rows)
        points += [measure(path, source, rows) for path in PATHS]
        rows *= 10
    points.sort(key=lambda point: list(PATHS).index(point["path"]))
    processor = re.sub(r"\((r|tm)\)| processor", "", hardware().partition(",")[0].lower())
    name = f"{datetime.now(UTC):%Y-%m-%d}-{processor.replace(' ', '-')}-sizes"
    given.out.mkdir(parents=True, exist_ok=True)
    figure_of(points, given.work, given.out / f"{name}.svg")
    text = page(points, f"{name}.svg", "make bench-sizes", begun_at)
    (given.out / f"{name}.md").write_text(text, encoding="utf-8")
    print(given.out / f"{name}.md")


if __name__ == "__main__":
    main()
