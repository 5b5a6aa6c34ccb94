"""Where the demo and a first run may begin: nowhere that files of the user's lie."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize("beside", [(), ("thesis.txt",)])
def test_the_demo_overwrites_no_file(
    tmp_path: Path, dalign: Command, options: tuple[str, ...], beside: tuple[str, ...]
) -> None:
    mine = [tmp_path / "project" / "prompts.jsonl", *(tmp_path / name for name in beside)]
    mine[0].parent.mkdir()
    for path in mine:
        path.write_text("mine")
    code, _, err = dalign("demo", tmp_path, "--smoke", "--set", "judge.k=0", *options)
    assert code == 1 and err.count("\n") == 1
    assert all(path.read_text() == "mine" for path in mine)


def test_a_dry_run_of_the_demo_leaves_nothing(tmp_path: Path, dalign: Command) -> None:
    code, out, _ = dalign("demo", tmp_path / "new", "--smoke", "--dry-run")
    assert code == 0 and "generate/main" in out
    assert not (tmp_path / "new").exists()


def test_a_refused_first_call_removes_no_folder_of_the_users(
    tmp_path: Path, dalign: Command
) -> None:
    dalign("init", tmp_path / "mine", "--sandbox")
    config, run = tmp_path / "mine" / "dalign.toml", tmp_path / "run"
    (run / "inputs").mkdir(parents=True)
    (run / "inputs" / "data.jsonl").write_text("mine")
    for line in (("--set", "data.prompts=nope.jsonl"), ()):
        code, _, err = dalign("run", config, "--run", run, *line)
        assert code == 1 and err.count("\n") == 1
        assert (run / "inputs" / "data.jsonl").read_text() == "mine"
    shutil.rmtree(run)
    assert dalign("run", config, "--run", run, "--set", "data.prompts=nope.jsonl")[0] == 1
    assert not run.exists()
