"""Flipped bits, cuts, losses and bytes too many in a finished run: named by `dalign verify` and by who reads the file, and mended."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import damages
import pytest
from dalign.errors import InputError
from dalign.store.run import RunFolder
from test_kill import PATIENCE_S, outcome

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

# `make test-faults` tries more.
COUNT = int(os.environ.get("DALIGN_DAMAGES", "60"))


@pytest.fixture(scope="session")
def wanted(undisturbed: Path) -> dict[str, Any]:
    """What each reader says of the whole run."""
    return {read.__name__: read(undisturbed) for read in damages.READERS}


@pytest.fixture
def run(undisturbed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed, tmp_path / "run"))


def test_random_damage_to_any_file_is_named_and_changes_no_figure(
    run: Path, wanted: dict[str, Any]
) -> None:
    files, named = damages.files_of(run), 0
    for seed in range(COUNT):
        draw = random.Random(seed)
        path, damage = draw.choice(files), draw.choice(damages.DAMAGES)
        content = path.read_bytes()
        damages.apply(path, damage, draw)
        named += bool(damages.check_named(run, wanted, path))
        path.write_bytes(content)
    assert damages.verify(run).damage == []
    assert named > COUNT // 4


# A file of each kind that the trained stages and the making of data leave, the stage that is redone, and whether
# it alone is: its rows are the same again, so nothing that comes after is.
KINDS = [
    ("generate/main/part-00000.parquet", "generate/main"),
    ("generate/main/replies-00000.parquet", "generate/main"),
    ("filter/main/part-00000.parquet", "filter/main"),
    ("judge/main/scores-00000.parquet", "judge/main"),
    ("select/main/dropped-00000.parquet", "select/main"),
    ("pack/main/part-00000.parquet", "pack/main"),
    ("sft/sft/curve.json", "sft/sft"),
    ("sft/sft/job.json", "sft/sft"),
    ("rl/sft+rl/steps.jsonl", "rl/sft+rl"),
    ("sft/sft/manifest.json", None),
    ("rl/rl/inputs.json", None),
]
SLOW = [
    ("sft/sft/final/model.safetensors", "sft/sft"),
    ("sft/sft/final/complete.json", "sft/sft"),
    ("rl/rl/part-00000.parquet", "rl/rl"),
    ("rl/rl/judge-4.json", "rl/rl"),
    ("rl/sft+rl/final/tokenizer.json", "rl/sft+rl"),
]


def check_mended(run: Path, undisturbed: Path, name: str, redone: str | None) -> None:
    damages.apply(run / name, damages.flip, random.Random(len(name)))
    redo(run, redone)
    assert outcome(run) == outcome(undisturbed)


def redo(run: Path, redone: str | None) -> None:
    """Goes on with a run, of which this stage alone is to run."""
    code = "from dalign.cli import main; main()"
    # The config of the copy names the project in the folder of the undisturbed run.
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--run", str(run), "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ran"] == ([] if redone is None else [redone])
    assert damages.verify(run).damage == []


@pytest.mark.parametrize(("name", "redone"), KINDS[6:7], ids=[name for name, _ in KINDS[6:7]])
def test_a_file_beside_a_training_is_made_again_without_it(
    name: str, redone: str | None, run: Path, undisturbed: Path
) -> None:
    check_mended(run, undisturbed, name, redone)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "redone"), [*KINDS[:6], *KINDS[7:], *SLOW])
def test_the_same_command_redoes_what_is_damaged_alone(
    name: str, redone: str | None, run: Path, undisturbed: Path
) -> None:
    check_mended(run, undisturbed, name, redone)


@pytest.mark.parametrize(
    "name",
    ["adapter_config.json", pytest.param("new/chat_template.jinja", marks=pytest.mark.slow)],
)
def test_a_file_added_to_a_checkpoint_is_named_and_set_by(
    name: str, run: Path, undisturbed: Path
) -> None:
    added = run / "sft" / "sft" / "final" / name
    added.parent.mkdir(exist_ok=True)
    added.write_text("{}")
    [found] = damages.verify(run).damage
    assert (run / found.path, found.what) == (added, "added")
    with pytest.raises(InputError, match="damaged or lost"):
        RunFolder(run).stage("sft/sft").checked("final")
    # Nothing is trained again, and nothing is lost.
    redo(run, "sft/sft")
    assert not added.exists()
    assert (run / "sft" / "sft" / f"{added.name}.aside").read_text() == "{}"
    assert outcome(run) == outcome(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["link to a folder", "pipe"])
def test_what_is_no_file_in_a_checkpoint_is_named_and_set_by(
    kind: str, run: Path, tmp_path: Path
) -> None:
    added = run / "sft" / "sft" / "final" / "tokens"
    damages.add_stranger(added, kind, tmp_path / "outside")
    [found] = damages.verify(run).damage
    assert (run / found.path, found.what) == (added, "added")
    redo(run, "sft/sft")
    assert not os.path.lexists(added)
    assert os.path.lexists(run / "sft" / "sft" / f"{added.name}.aside")
