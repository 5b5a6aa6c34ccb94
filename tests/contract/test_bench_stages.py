"""The bench of a run's stages, on very little input: it runs, and a killed judge stage ends in the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tree import ROOT

CODE = """
import json
import sys
from pathlib import Path
import instant, stages
work, completions = Path(sys.argv[1]), int(sys.argv[2])
instant.write_project(work / str(completions), completions)
for stage in ("generate", "filter", "judge"):
    stages.measure(work / str(completions), work / str(completions) / "run", stage)
print(json.dumps(stages.resumed(work, completions)))
"""


@pytest.mark.slow
def test_a_judge_stage_killed_at_half_asks_one_batch_again_and_ends_in_the_same_bytes(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tokenizers")
    path = os.pathsep.join([str(ROOT / "benches"), *sys.path])
    # 100 completions of 25 prompts: about 390 judgements, three batches of 128 and a shorter one.
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path), "100"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    resumed = json.loads(done.stdout.splitlines()[-1])
    assert resumed["before_the_kill"] == 128
    assert resumed["asked_again"] == 128
    assert resumed["same_bytes"]
