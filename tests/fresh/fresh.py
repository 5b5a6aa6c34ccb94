"""What `pyproject.toml` allows today, tried: its newest packages and its lowest, each in a new environment.

    python tests/fresh/fresh.py WHEEL [newest] [lowest]

The newest run on the newest Python that is here, the lowest on the oldest that the project takes. Each is
resolved anew, holds the wheel as a user would have it, and runs the tests of models, train, pack and kernels
and the small demo. Exits 1 where anything of that fails; environments and what was resolved stay in target/fresh.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "target" / "fresh"
RESOLUTIONS = {"newest": "highest", "lowest": "lowest-direct"}
EXTRAS = ("train", "kernels", "dev")
PARTS = ("tests/python/models", "tests/python/train", "tests/python/pack", "tests/kernels")
SHOWN = (
    *("torch", "triton", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers"),
    *("numpy", "polars", "pyarrow", "pydantic", "typer", "rich", "jinja2", "aiohttp"),
)
# Read by the interpreter of an environment, which has nothing of this script.
VERSIONS = """
import importlib.metadata, platform, sys
print("python", platform.python_version(), *(f"{n} {importlib.metadata.version(n)}" for n in sys.argv[1:]), sep=", ")
"""


def uv(*words: str | Path) -> str:
    """Stdout of the uv beside this Python, or of the machine; ends the script where uv fails."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        sys.exit("error: no uv beside this Python and none on PATH; run `make test-fresh`")
    # pyenv's own names of interpreters run none that it is not set to.
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    paths = [os.environ["PATH"], *map(str, versions.glob("*/bin"))]
    done = subprocess.run(
        [program, *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"PATH": os.pathsep.join(paths), "UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"error: uv {' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def interpreters() -> list[Path]:
    """The CPythons here that the project takes, oldest first; of one minor version the first found."""
    wanted = SpecifierSet(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    found: dict[tuple[int, int], Path] = {}
    for row in json.loads(uv("python", "list", "--only-installed", "--output-format", "json")):
        version = Version(row["version"])
        if row["implementation"] == "cpython" and row["variant"] == "default" and version in wanted:
            found.setdefault((version.major, version.minor), Path(row["path"]))
    return [path for _, path in sorted(found.items())]


def installed(name: str, interpreter: Path, wheel: Path) -> Path:
    """The interpreter of a new environment of that name: what was resolved, and the wheel."""
    folder, resolved = TARGET / name, TARGET / f"{name}.txt"
    TARGET.mkdir(parents=True, exist_ok=True)
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    how = ["--resolution", RESOLUTIONS[name], "--upgrade", "--python", interpreter]
    uv("pip", "compile", "pyproject.toml", *extras, *how, "--no-annotate", "-o", resolved)
    uv("venv", "--clear", "--python", interpreter, folder)
    python = folder / "bin" / "python"
    uv("pip", "sync", "--python", python, resolved)
    uv("pip", "install", "--python", python, "--no-deps", wheel)
    return python


def broken(name: str, python: Path) -> list[str]:
    """What fails in that environment."""
    # A PYTHONPATH to the sources would hide the wheel.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    shutil.rmtree(TARGET / f"{name}-run", ignore_errors=True)
    steps = {part: [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", part] for part in PARTS}
    steps["the small demo"] = [
        python.with_name("dalign"),
        *("demo", "--smoke", TARGET / f"{name}-run"),
    ]
    failed = []
    for step, words in steps.items():
        print(f"{name}: {step}", flush=True)
        if subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode:
            failed.append(f"{name}: {step}")
    return failed


def main(words: list[str]) -> None:
    if not words or not Path(words[0]).is_file() or set(words[1:]) - set(RESOLUTIONS):
        sys.exit(__doc__)
    wheel, names = Path(words[0]).resolve(), words[1:] or list(RESOLUTIONS)
    here = interpreters()
    failed = []
    for name in names:
        python = installed(name, here[-1 if name == "newest" else 0], wheel)
        shown = subprocess.run(
            [python, "-I", "-c", VERSIONS, *SHOWN], capture_output=True, text=True, check=True
        )
        print(f"{name}: {shown.stdout.strip()}", flush=True)
        failed += broken(name, python)
    for what in failed:
        print(f"FAILED {what}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
