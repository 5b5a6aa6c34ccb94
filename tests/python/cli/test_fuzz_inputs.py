"""A few hundred mutated files of every kind through the commands that read them; `make fuzz-inputs` has 20,000."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from mutations import mutated

FUZZER = Path(__file__).parents[1] / "fuzz_inputs.py"


def test_no_mutated_file_ends_a_command_in_a_traceback() -> None:
    # In a fresh interpreter: its workers are forked, which a library's threads would not survive.
    line = [sys.executable, str(FUZZER), "300", "1"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "300 inputs of seed 1" in done.stdout


@pytest.mark.parametrize("form", ["json", "jsonl", "toml", "binary"])
def test_a_mutation_is_the_same_for_the_same_seed(form: str) -> None:
    data = b'{"a": [1, {"b": "c"}]}\n{"a": 2}\n'
    made = [mutated(random.Random(seed), data, form) for seed in range(50)]
    assert made == [mutated(random.Random(seed), data, form) for seed in range(50)]
    assert len(set(made)) > 15
