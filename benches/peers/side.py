"""One run of one side, in the process that this is: prints its CPU seconds and peak memory as JSON.

    python -m peers.side PATH SIDE INPUTS OUT SEED SAVE CALLS

At least CALLS calls are made of what is over in less than two seconds. Imports and the loading of
inputs are not in the time, writing the result down is neither in the time nor in the peak.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import sys
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from peers.registry import comparison_named

# What is over in less than this is called again, so that a median can be had of it: more than twice,
# since the first call finds memory that was never touched and tables that have learnt nothing.
SHORT_SECONDS = 2.0
MOST_CALLS = 25
# All calls together take so long where they are many.
SETTLED_SECONDS = 0.4


def cpu_seconds() -> float:
    """User and system time of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mib() -> float:
    """The most memory that this process held, in MiB."""
    if platform.system() == "Linux":
        # Not ru_maxrss: that one is inherited from the process that started this one.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    divisor = 1 << 20 if platform.system() == "Darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / divisor


def is_unsettled(cpu: list[float], fewest: int) -> bool:
    """Whether to call again after calls of these CPU seconds."""
    if len(cpu) < fewest:
        return not cpu or cpu[0] < SHORT_SECONDS
    return sum(cpu) < SETTLED_SECONDS and len(cpu) < MOST_CALLS


def measured(run: Any, fewest: int) -> tuple[Any, list[float], list[float]]:
    """The last result, and CPU and wall seconds of each call; at least so many of a short one."""
    cpu: list[float] = []
    wall: list[float] = []
    while is_unsettled(cpu, fewest):
        # Two results are never held at once.
        result = None
        cpu_before, wall_before = cpu_seconds(), time.perf_counter()
        result = run()
        cpu.append(cpu_seconds() - cpu_before)
        wall.append(time.perf_counter() - wall_before)
    return result, cpu, wall


def version_of(package: str) -> str:
    """The installed version; Python's own for what comes with it, nothing for what has none."""
    if not package:
        return platform.python_version()
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main() -> None:
    """Runs the side that the arguments name."""
    path, name, inputs, out, seed, save, fewest = sys.argv[1:]
    comparison = comparison_named(path)
    for module in comparison.modules:
        import_module(module)
    bare = peak_mib()
    package = next((peer.package for peer in comparison.peers if peer.name == name), "dalign")
    work = comparison.sides[name](Path(inputs), Path(out), int(seed))
    loaded = peak_mib()
    result, cpu, wall = measured(work.run, int(fewest))
    peak = peak_mib()
    if save == "save":
        work.save(result)
    line = {
        "cpu_s": statistics.median(cpu),
        "least_cpu_s": min(cpu),
        "first_cpu_s": cpu[0],
        "best_wall_s": min(wall),
        "calls": len(cpu),
        "peak_rss_mib": peak,
        "loaded_rss_mib": loaded,
        "bare_rss_mib": bare,
        "version": version_of(package),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
