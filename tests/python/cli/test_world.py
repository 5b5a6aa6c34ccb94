"""What the world does to a command: a full disk, limits, permissions, paths that are something else. One sentence each."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dalign.cli.project import init_sandbox

COMMAND = [sys.executable, "-c", "from dalign.cli import main; main()"]
# What lets root read and write everything, and the call that gives such a right up before a program starts.
RIGHTS, GIVE_UP = (1, 2), 24
ROWS = '{"completion": "<think>a</think> An answer with some words."}\n'
POLICY = "---\ncategory: soup\nversion: 1.0.0\nsummary: On soup.\n---\n## Clauses\n### S1 comply: cooking\nYes.\n"


def dalign(
    *line: str | Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, line)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=before,
        timeout=120,
    )


def check_refused(done: subprocess.CompletedProcess[str], *named: str | Path) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    for word in named:
        assert str(word) in errors[0]


def files_of_at_most(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def without_rights() -> None:
    """Root may do all; the child gives that up where it is root."""
    for right in RIGHTS if os.geteuid() == 0 else ():
        ctypes.CDLL(None).prctl(GIVE_UP, right, 0, 0, 0)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS * 3000)
    return path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "principles.md").write_text("Be plain.\n")
    (folder / "soup.md").write_text(POLICY)
    return folder


@pytest.mark.parametrize("end", [".jsonl", ".parquet"])
def test_a_limit_on_files_stops_a_data_command_and_leaves_no_half(
    tmp_path: Path, rows: Path, end: str
) -> None:
    if end == ".parquet":
        import polars as pl

        frame = pl.read_ndjson(rows).with_columns(number=pl.int_range(pl.len()).hash())
        rows = rows.with_suffix(end)
        frame.write_parquet(rows)
    out = tmp_path / f"out{end}"
    done = dalign("data", "filter", rows, out, "--no-dedup", before=files_of_at_most(8192))
    check_refused(done, out.with_suffix(""))
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == []


def test_a_limit_on_files_stops_a_run_and_the_same_command_goes_on(
    tmp_path: Path, policy: Path
) -> None:
    prompt = '{"category": "soup", "messages": [{"role": "user", "content": "%s"}]}\n'
    (tmp_path / "prompts.jsonl").write_text("".join(prompt % (f"soup {i} " * 60) for i in range(9)))
    (tmp_path / "script.json").write_text('{"": "<think>so</think> Yes."}')
    config = tmp_path / "dalign.toml"
    config.write_text(
        f"[model]\nengine = 'scripted'\npath = '{tmp_path}/script.json'\n[spec]\npath = 'policy'\n"
        "[data]\nprompts = 'prompts.jsonl'\n[[evaluate.suites]]\nname = 'a'\npath = 'prompts.jsonl'\n"
    )
    run = tmp_path / "run"
    check_refused(dalign("generate", config, "--run", run, before=files_of_at_most(1000)), run)
    assert list(run.rglob("*.tmp")) == []
    assert dalign("generate", config, "--run", run).returncode == 0
    fresh = tmp_path / "fresh"
    assert dalign("generate", config, "--run", fresh).returncode == 0
    tables = sorted(path.relative_to(fresh) for path in fresh.rglob("*.parquet"))
    assert tables
    for table in tables:
        assert (run / table).read_bytes() == (fresh / table).read_bytes()


def test_a_full_disk_is_told_of(tmp_path: Path, rows: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        check_refused(dalign("data", "filter", rows, disk / "out.jsonl", "--no-dedup"), disk)
        check_refused(dalign("init", disk / "project"), disk, "No space left")
        assert [path.name for path in disk.rglob("*.tmp")] == []
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_an_older_report_stays_whole_where_a_new_one_cannot_be_written(tmp_path: Path) -> None:
    from dalign.store.whole_files import write_text

    path = tmp_path / "report.html"
    write_text(path, "old\n")
    code = (
        "import sys; from pathlib import Path; from dalign.store.whole_files import write_text;"
        "write_text(Path(sys.argv[1]), 'x' * 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=files_of_at_most(4096),
    )
    assert "InputError" in done.stderr and f"{path}: File too large" in done.stderr
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [
        ("report.html", "old\n")
    ]


@pytest.mark.parametrize("was_there", [True, False])
def test_a_command_that_fails_leaves_a_new_folder_as_it_was(
    tmp_path: Path, was_there: bool
) -> None:
    folder = tmp_path / "new folder"
    if was_there:
        folder.mkdir()
    for line in (("init", folder), ("spec", "copy", "safety", folder)):
        check_refused(dalign(*line, before=files_of_at_most(1024)), folder, "ulimit")
        assert folder.exists() == was_there and list(folder.glob("*")) == []
    done = dalign("init", folder)
    assert done.returncode == 0
    assert f"dalign run '{folder}/dalign.toml' --run 'runs/new folder'" in done.stdout


@pytest.mark.parametrize("mode", [0o000, 0o500])
def test_a_folder_without_permission_is_named(tmp_path: Path, rows: Path, mode: int) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(mode)
    for line in (
        ("init", closed / "project"),
        ("data", "filter", rows, closed / "out.jsonl"),
        ("data", "filter", closed / "rows.jsonl", tmp_path / "out.jsonl"),
        ("report", "--run", closed),
        ("spec", "check", closed),
    )[: 5 if mode == 0 else 2]:
        check_refused(dalign(*line, before=without_rights), tmp_path)


def test_a_path_that_is_something_else_is_named(tmp_path: Path, rows: Path, policy: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    init_sandbox(tmp_path / "project")
    config, long = tmp_path / "project" / "dalign.toml", "x" * 300
    for line in (
        ("generate", config, "--run", rows),
        ("generate", config, "--run", rows / "below"),
        ("init", rows),
        ("init", rows / "below"),
        ("init", tmp_path / long),
        ("init", loop / "below"),
        ("report", "--run", loop),
        ("data", "filter", loop, tmp_path / "out.jsonl"),
        ("data", "filter", rows, tmp_path / f"{long}.jsonl"),
        ("spec", "copy", policy, rows / "below"),
    ):
        done = dalign(*line)
        assert done.returncode in (1, 2), (line, done.stderr)
        assert "Traceback" not in done.stderr, (line, done.stderr)
        assert done.stderr.count("error: ") == (done.returncode == 1), (line, done.stderr)


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path, rows: Path) -> None:
    init_sandbox(tmp_path / "project")
    config, odd = tmp_path / "project" / "dalign.toml", os.fsdecode(bytes(tmp_path) + b"/x\xff")
    for line in (
        ("generate", config, "--run", odd),
        ("generate", config, "--run", tmp_path / "run", "--set", f"data.prompts={odd}"),
        ("data", "filter", rows, f"{odd}.jsonl"),
        ("data", "filter", f"{odd}.jsonl", tmp_path / "out.jsonl"),
    ):
        check_refused(dalign(*line), r"x\udcff", "not UTF-8", "rename")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "rows.jsonl"]


def test_a_name_that_holds_a_nul_is_named(tmp_path: Path) -> None:
    import dalign as package

    init_sandbox(tmp_path / "project")
    with pytest.raises(package.InputError, match="holds a NUL"):
        package.run(tmp_path / "project" / "dalign.toml", f"{tmp_path}/a\0b")


def test_a_pipe_is_no_regular_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    check_refused(dalign("data", "filter", pipe, tmp_path / "out.jsonl"), pipe, "no regular file")
    check_refused(dalign("generate", pipe, "--run", tmp_path / "run"), pipe, "no regular file")


def test_the_names_of_policies_are_those_of_policies() -> None:
    done = dalign("spec", "check", "nothing")
    check_refused(done, "safety")
    assert "templates" not in done.stderr
