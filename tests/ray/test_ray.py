"""Generate, filter and judge on two workers of Ray: the same rows as here, a worker or the command killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from dalign.sandbox.checkpoint import MODEL
from fake_server import FakeServer, refusal

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]

DALIGN = [sys.executable, "-c", "from dalign.cli import main; main()"]
STAGES = ("generate", "filter", "judge")
TRIAL = ("data.limit=60", "run.workers=1", "run.part_rows=16", "generate.n=2")
ON_RAY = ("run.executor=ray", "run.ray.workers=2", "run.ray.cpus=0.5")


def call(stage: str, run: Path, config: Path | None, *settings: str) -> list[str]:
    line = [*DALIGN, stage, *([str(config)] if config else []), "--run", str(run)]
    return [*line, *(word for setting in settings for word in ("--set", setting))]


def done(stage: str, run: Path, config: Path | None, *settings: str) -> str:
    """What is said. The command must end well."""
    ended = subprocess.run(
        call(stage, run, config, *settings),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **MARK},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def tables(run: Path) -> dict[str, bytes]:
    """Every table of the run, replies included."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.glob("*/main/*.parquet"))
    }


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "project"
    subprocess.run([*DALIGN, "init", str(folder), "--sandbox"], check=True, capture_output=True)
    return folder / "dalign.toml"


@pytest.fixture(scope="module")
def here(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on this machine alone."""
    run = tmp_path_factory.mktemp("here") / "run"
    for stage in STAGES:
        done(stage, run, config, *TRIAL)
    return run


def working(run: Path, stage: str, chunks: int, by: subprocess.Popen[str]) -> None:
    """Until so many chunks of a stage are done."""
    log, until = run / stage / "main" / "chunks.jsonl", time.monotonic() + 300
    while not log.is_file() or log.read_bytes().count(b"\n") < chunks:
        assert by.poll() is None, by.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


# What Ray sets for all processes of a cluster that was started here.
MARK = {"DALIGN_TEST_CLUSTER": f"of {os.getpid()}"}


def workers_of_ray() -> list[int]:
    """The processes that work on chunks for a command of these tests."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line, env = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except OSError:
            continue
        if b"MapWorker" in line and f"of {os.getpid()}".encode() in env:
            found.append(int(place.name))
    return found


def test_two_workers_make_the_same_tables_byte_for_byte(
    config: Path, here: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for stage in STAGES:
        said = done(stage, run, config, *TRIAL, *ON_RAY)
        assert "Traceback" not in said and "ray" not in said.lower()
    assert tables(run) == tables(here)
    assert len([name for name in tables(run) if name.startswith("judge/main/part")]) > 20
    assert (
        (run / "spent.json").read_text().count('"requests"')
        == (here / "spent.json").read_text().count('"requests"')
        == 2
    )
    # Later stages, and a check, find a run like any other.
    done("select", run, None)
    assert (
        subprocess.run([*DALIGN, "verify", str(run)], capture_output=True, check=False).returncode
        == 0
    )


def test_the_chunks_of_a_lost_worker_are_made_by_another(
    config: Path, here: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done("generate", run, config, *TRIAL)
    done("filter", run, None)
    line = call("judge", run, None, *ON_RAY)
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **MARK}
    ) as judge:
        working(run, "judge", 2, judge)
        lost = workers_of_ray()
        assert len(lost) == 2
        os.kill(lost[0], signal.SIGKILL)
        _, said = judge.communicate(timeout=600)
    assert judge.returncode == 0, said
    assert "Traceback" not in said
    assert tables(run) == tables(here)


def test_a_killed_command_goes_on_here_or_there(config: Path, here: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("generate", run, config, *TRIAL)
    done("filter", run, None)
    for settings in (ON_RAY, ("run.executor=local",)):
        line = call("judge", run, None, *settings)
        with subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **MARK},
        ) as judge:
            before = len(list((run / "judge" / "main").glob("part-*.parquet")))
            working(run, "judge", before + 3, judge)
            os.kill(judge.pid, signal.SIGKILL)
        # What the workers still write is of whole files.
        until = time.monotonic() + 60
        while workers_of_ray() and time.monotonic() < until:
            time.sleep(0.2)
        assert not workers_of_ray()
    said = done("judge", run, None, *ON_RAY)
    assert "Traceback" not in said
    made = {name: content for name, content in tables(run).items() if "replies" not in name}
    assert made == {
        name: content for name, content in tables(here).items() if "replies" not in name
    }


def test_what_a_worker_meets_is_said_in_a_sentence(config: Path, tmp_path: Path) -> None:
    with FakeServer(lambda *_: refusal(401, "no such key")) as server:
        settings = (
            "model.engine=openai",
            "model.path=m",
            f"model.base_url={server.base_url}",
            f"model.checkpoint={MODEL}",
        )
        line = call("generate", tmp_path / "run", config, *TRIAL, *ON_RAY, *settings)
        ended = subprocess.run(
            line, capture_output=True, text=True, check=False, env={**os.environ, **MARK}
        )
    assert ended.returncode == 1
    assert "refused request" in ended.stderr and "status 401" in ended.stderr
    assert "Traceback" not in ended.stderr and len(ended.stderr.strip().splitlines()[-1]) < 400


def test_a_cluster_that_is_not_there_is_said(config: Path, tmp_path: Path) -> None:
    at = ("run.executor=ray", "run.ray.address=127.0.0.1:9")
    line = call("generate", tmp_path / "run", config, *TRIAL, *at)
    ended = subprocess.run(
        line, capture_output=True, text=True, check=False, env={**os.environ, **MARK}
    )
    assert ended.returncode == 1
    assert "run.ray.address = '127.0.0.1:9': no Ray cluster answers there" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_worker_that_always_dies_ends_the_command(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("generate", run, config, *TRIAL)
    done("filter", run, None)
    line = call("judge", run, None, *ON_RAY)
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **MARK}
    ) as judge:
        until = time.monotonic() + 400
        while judge.poll() is None and time.monotonic() < until:
            for worker in workers_of_ray():
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            time.sleep(0.2)
        judge.kill()
        _, said = judge.communicate()
    assert judge.returncode == 1, said
    assert "a worker of the Ray cluster is lost" in said and "it was started 3 times more" in said
    assert "Traceback" not in said
    done("judge", run, None, "run.executor=local")


def test_a_port_where_something_else_listens_is_said(config: Path, tmp_path: Path) -> None:
    with FakeServer(lambda *_: refusal(404, "no")) as server:
        address = server.base_url.removeprefix("http://").partition("/")[0]
        at = ("run.executor=ray", f"run.ray.address={address}")
        line = call("generate", tmp_path / "run", config, *TRIAL, *at)
        began = time.monotonic()
        ended = subprocess.run(
            line, capture_output=True, text=True, check=False, env={**os.environ, **MARK}
        )
    assert ended.returncode == 1 and time.monotonic() - began < 120
    assert "no Ray cluster answers there" in ended.stderr and "Traceback" not in ended.stderr


def test_gpus_that_no_machine_has_are_not_waited_for(config: Path, tmp_path: Path) -> None:
    line = call("generate", tmp_path / "run", config, *TRIAL, *ON_RAY, "run.ray.gpus=64")
    ended = subprocess.run(
        line, capture_output=True, text=True, check=False, env={**os.environ, **MARK}
    )
    assert ended.returncode == 1
    assert "run.ray.gpus = 64: no machine of the cluster has as many" in ended.stderr


def test_a_cluster_of_dalign_s_own_takes_work_from_nobody_else() -> None:
    code = """
import os, subprocess, sys
from dalign.config import Ray
from dalign.pipeline.on_ray import _connected
assert _connected(Ray())
import ray
at = ray.get_runtime_context().gcs_address
env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}
line = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", at]
print(subprocess.run(line, env=env, capture_output=True, timeout=120).returncode, subprocess.run(line, capture_output=True, timeout=120).returncode)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["1", "0"]
