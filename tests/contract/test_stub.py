"""The stub of the compiled module says what the module holds."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_stub_and_the_compiled_module_agree() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "dalign._core"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
