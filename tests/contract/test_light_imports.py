"""What answers at once must not load what takes seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "triton", "scipy")

REPORT = f"""
import sys
print()
print("loaded:", *(name for name in {HEAVY} if name in sys.modules))
"""

COMMAND = """
import sys
from dalign.cli import main
sys.argv = ["dalign", *{arguments}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def heavy_modules_after(code: str) -> list[str]:
    """The heavy packages that a fresh interpreter has loaded after running the code."""
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].removeprefix("loaded:").split()


@pytest.mark.parametrize(
    "module",
    ["dalign", "dalign._core", "dalign.kernels", "dalign.config", "dalign.rows", "dalign.errors", "dalign.text", "dalign.vocabulary",
     "dalign.store", "dalign.spec", "dalign.models", "dalign.settings", "dalign.cli"],
)  # fmt: skip
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert heavy_modules_after(f"import {module}\n") == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["sft", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert heavy_modules_after(COMMAND.format(arguments=arguments)) == []
