"""The stub of the compiled module says what the module holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_stub_and_the_compiled_module_agree(tmp_path: Path) -> None:
    # All that the package imports beside it, torch among them, takes a minute to read and says nothing of it.
    (settings := tmp_path / "mypy.ini").write_text("[mypy]\nfollow_imports = skip\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "--mypy-config-file",
            str(settings),
            "dalign._core",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
