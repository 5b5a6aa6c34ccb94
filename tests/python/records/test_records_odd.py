"""Links, folders and pipes where a run has files, and a run that lost its own: each is said, and one command mends it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dalign.records.verify import verify

# Words of a command line to exit code, stdout and stderr.
Command = Callable[..., tuple[int, str, str]]
# What a call of the command may change, though it makes nothing anew.
TIMES = (
    *("ledger.json", "elapsed.json", "spent.json", "results.json", "report.html", "cost.json"),
    ".lock",
)
TOLD = ("manifest.json", "chunks.jsonl", "config.toml")


def content(run: Path) -> dict[str, bytes]:
    """The rows and inputs of a run, behind links too."""
    found = [Path(at, name) for at, _, names in os.walk(run, followlinks=True) for name in names]
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(found)
        if path.is_file() and path.name not in (*TIMES, *TOLD) and ".aside" not in str(path)
    }


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def a_file(path: Path) -> None:
    path.write_text("mine")


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere" / "at all")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


Odd = Callable[[Path], None]
FILES = [
    "config.toml",
    "ledger.json",
    "elapsed.json",
    "models.json",
    "spent.json",
    "results.json",
    "report.html",
    "inputs/sources.json",
    "inputs/prompts/part-00000.parquet",
    "inputs/patterns/test.toml",
    "inputs/spec/advice.md",
    "evaluate/none/manifest.json",
    "evaluate/none/inputs.json",
    "evaluate/none/cost.json",
    "evaluate/none/chunks.jsonl",
    "evaluate/none/part-00000.parquet",
    "evaluate/none/replies-judge-00000.parquet",
]
FOLDERS = ["evaluate", "evaluate/none", "inputs", "inputs/suites", "inputs/prompts", "inputs/spec"]


def check_mended(run: Path, before: dict[str, bytes], dalign: Command) -> None:
    code, out, err = dalign("verify", run)
    assert code == 1, err
    assert "damaged or lost" in out
    code, _, err = dalign("run", "--run", run)
    assert code == 0, err
    assert verify(run).damage == []
    assert content(run) == before


@pytest.mark.parametrize("odd", [a_folder, a_dangling_link, a_loop, a_pipe])
@pytest.mark.parametrize("name", FILES)
def test_what_stands_in_a_files_place_is_named_and_mended(
    name: str, odd: Odd, run: Path, dalign: Command
) -> None:
    before = content(run)
    (run / name).unlink()
    odd(run / name)
    check_mended(run, before, dalign)


@pytest.mark.parametrize("odd", [a_file, a_dangling_link, a_loop, a_pipe])
@pytest.mark.parametrize("name", FOLDERS)
def test_what_stands_in_a_folders_place_is_named_and_mended(
    name: str, odd: Odd, run: Path, dalign: Command
) -> None:
    before = content(run)
    shutil.rmtree(run / name)
    odd(run / name)
    check_mended(run, before, dalign)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_behind_a_link_is_mended_and_what_it_links_to_stays(
    name: str, run: Path, tmp_path: Path, dalign: Command
) -> None:
    before = content(run)
    away = tmp_path / "away"
    (run / name).rename(away)
    (run / name).symlink_to(away)
    damaged = next(path for path in sorted(away.rglob("*")) if path.suffix in (".parquet", ".md"))
    damaged.write_bytes(damaged.read_bytes() + b"x")
    check_mended(run, before, dalign)
    assert away.is_dir()


def test_what_stood_in_the_way_of_the_runs_own_is_set_by_and_not_lost(
    run: Path, dalign: Command
) -> None:
    for name in ("results.json", "ledger.json"):
        (run / name).unlink()
        a_folder(run / name)
    shutil.rmtree(run / "evaluate" / "none")
    a_file(run / "evaluate" / "none")
    assert dalign("run", "--run", run)[0] == 0
    kept = ["evaluate/none.aside", "ledger.json.aside/mine.txt", "results.json.aside/mine.txt"]
    assert [(run / name).read_text() for name in kept] == ["mine"] * 3
    assert sorted(verify(run).unknown) == kept


@pytest.mark.parametrize("odd", [a_folder, a_dangling_link, a_pipe])
def test_a_lock_that_is_no_file_is_said_by_both(odd: Odd, run: Path, dalign: Command) -> None:
    (run / ".lock").unlink()
    odd(run / ".lock")
    code, out, _ = dalign("verify", run)
    assert code == 1 and f"{run / '.lock'}: damaged or lost (no file" in out and "remove it" in out
    code, _, err = dalign("run", "--run", run)
    assert code == 1 and f"{run / '.lock'}: no file" in err and err.count("\n") == 1


def test_a_run_without_its_ledger_is_not_said_to_be_nobodys(run: Path) -> None:
    (run / "ledger.json").unlink()
    (run / "notes.txt").write_text("mine")
    found = verify(run)
    assert [each.path for each in found.damage] == ["ledger.json"]
    assert found.unknown == ["notes.txt"]


def test_a_run_that_lost_config_and_ledger_is_taken_up_by_its_config(
    run: Path, dalign: Command
) -> None:
    before = content(run)
    (run / "ledger.json").unlink()
    (run / "config.toml").unlink()
    config = run / "project" / "dalign.toml"
    wanted = f"`dalign run {config} --run {run}`"
    for words in (("verify", run), ("run", "--run", run), ("report", "--run", run)):
        code, _, err = dalign(*words)
        assert code == 1 and wanted in err and err.count("\n") == 1
    broken = run / "broken.toml"
    broken.write_text(config.read_text().replace('"spec"\n', '"nowhere"\n', 1))
    code, _, _ = dalign("run", broken, "--run", run)
    assert code == 1 and (run / "inputs" / "sources.json").is_file()
    broken.unlink()
    code, _, err = dalign("run", config, "--run", run)
    assert code == 0 and err.count("done before") == 2, err
    assert (verify(run).damage, content(run)) == ([], before)


def test_a_moved_run_says_the_command_that_goes_on(
    base: Path, run: Path, tmp_path: Path, dalign: Command
) -> None:
    moved = tmp_path / "a place"
    run.rename(moved)
    aside = base.with_name("aside")
    damaged = moved / "evaluate" / "none" / "part-00000.parquet"
    before = content(moved)
    damaged.write_bytes(damaged.read_bytes() + b"x")
    wanted = f"`dalign run '{moved}/project/dalign.toml' --run '{moved}' --redo`"
    base.rename(aside)
    try:
        code, out, _ = dalign("verify", moved)
        assert code == 1 and wanted in out
        code, _, err = dalign("run", "--run", moved)
        assert code == 1 and wanted in err and err.count("\n") == 1
        code, _, err = dalign("run", moved / "project" / "dalign.toml", "--run", moved, "--redo")
        assert code == 0 and "evaluate/spec: done before" in err
        assert (verify(moved).damage, content(moved)) == ([], before)
    finally:
        aside.rename(base)
