"""Runs the fused kernels' tests under Triton's interpreter, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

FUSED_TESTS = Path(__file__).with_name("test_token_logprobs_fused.py")


@pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1",
    reason="this process interprets: the fused tests are collected beside this one",
)
def test_the_fused_kernels_pass_their_tests_under_the_interpreter() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FUSED_TESTS)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout
