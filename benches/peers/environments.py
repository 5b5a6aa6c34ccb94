"""The environments that the peers run in, from hashed locks, under target/peers."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from peers.protocol import OURS

ROOT = Path(__file__).parents[2]
LOCKS = Path(__file__).parent / "locks"
TARGET = ROOT / "target" / "peers"


def uv() -> str:
    """The uv of this environment, or of the machine."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        sys.exit("error: no uv beside this Python and none on PATH; run `make bench-peers`")
    return found


def installed(name: str) -> Path:
    """The interpreter of an environment, which is made from its lock where it is not there yet."""
    if name == OURS:
        return Path(sys.executable)
    folder = TARGET / "environments" / name
    lock = LOCKS / f"{name}.txt"
    made_from = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    stamp = folder / f"made-from-{made_from}"
    python = folder / "bin" / "python"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {name} ...", file=sys.stderr, flush=True)
        subprocess.run(
            [uv(), "venv", "--quiet", str(folder), "--python", sys.executable], check=True
        )
        subprocess.run(
            [
                uv(),
                "pip",
                "sync",
                "--quiet",
                "--require-hashes",
                "--python",
                str(python),
                str(lock),
            ],
            check=True,
        )
        stamp.touch()
    return python


def variables(name: str, threads: int) -> dict[str, str]:
    """What a process of that environment sees: so many threads, and this package on its path."""
    paths = [str(ROOT / "benches")]
    # The project's own path leads to its package; the peers' environments must not see that.
    if name == OURS and "PYTHONPATH" in os.environ:
        paths.append(os.environ["PYTHONPATH"])
    count = str(threads)
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "RAYON_NUM_THREADS": count,
        "POLARS_MAX_THREADS": count,
        "OMP_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "TOKENIZERS_NUM_THREADS": count,
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
