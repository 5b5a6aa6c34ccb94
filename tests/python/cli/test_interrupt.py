"""Ctrl-C in a real process: it says what goes on from here, ends at once, and leaves nobody at work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dalign.cli.interrupt import CODE, STOPPED
from dalign.cli.project import init_sandbox
from dalign.sandbox.checkpoint import MODEL

COMMAND = [sys.executable, "-c", "from dalign.cli import main; main()"]
# Both limits are of the promise; the machine may have other work.
AT_ONCE_S, SOON_S = 1.0, 2.0
# What asks for minutes of waiting.
LIMITED = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 500\r\nContent-Length: 4\r\n\r\nslow"


@contextmanager
def stubborn_server(says: bytes = b"") -> Iterator[tuple[str, threading.Event]]:
    """The address of a server that takes requests and never answers, or says this, and whether one has come."""
    asked, held = threading.Event(), list[socket.socket]()

    def take() -> None:
        while True:
            try:
                held.append(listening.accept()[0])
                if says:
                    held[-1].recv(1 << 16)
                    held[-1].sendall(says)
            except OSError:
                return
            asked.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", asked
        listening.shutdown(socket.SHUT_RDWR)
    for each in held:
        each.close()


def wait_for_a_request(asked: threading.Event, process: subprocess.Popen[str]) -> None:
    """Returns once a request has come; a command that ended before it has said why."""
    until = time.monotonic() + 180
    while not asked.wait(0.2):
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode}: {process.communicate()[1]}")
        assert time.monotonic() < until, "no request came"


def nobody_left(group: int) -> bool:
    """Whether every process of the group has gone; they may take a moment."""
    for _ in range(250):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "mine"
    init_sandbox(folder)
    return folder / "dalign.toml"


@pytest.mark.parametrize(
    ("command", "workers", "times", "limit_s", "says"),
    [
        ("generate", 1, 1, SOON_S, b""),
        ("generate", 1, 1, SOON_S, LIMITED),
        ("run", 2, 2, AT_ONCE_S, b""),
    ],
)
def test_a_run_that_waits_for_a_server_ends_at_ctrl_c(
    tmp_path: Path,
    project: Path,
    command: str,
    workers: int,
    times: int,
    limit_s: float,
    says: bytes,
) -> None:
    with stubborn_server(says) as (address, asked):
        settings = [
            "model.engine=openai",
            f"model.base_url={address}",
            f"model.checkpoint={MODEL}",
            f"run.workers={workers}",
        ]
        sets = [part for setting in settings for part in ("--set", setting)]
        line = [*COMMAND, command, str(project), "--run", str(tmp_path / "run"), *sets]
        process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            wait_for_a_request(asked, process)
            began = time.monotonic()
            for _ in range(times):
                # As a terminal does: to the command and to all that it has started.
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(0.05)
            told = process.communicate(timeout=30)[1]
            took = time.monotonic() - began
        finally:
            process.kill()
    assert process.returncode == CODE
    assert told.splitlines().count(STOPPED) == 1
    assert "Traceback" not in told and "Warning" not in told
    assert took < limit_s
    assert nobody_left(process.pid)


def test_a_command_that_pays_no_heed_to_ctrl_c_goes_on(tmp_path: Path, project: Path) -> None:
    # What a shell's `&` does to it.
    with stubborn_server() as (address, asked):
        sets = ["--set", "model.engine=openai", "--set", f"model.base_url={address}"]
        line = [*COMMAND, "generate", str(project), "--run", str(tmp_path / "run"), *sets]
        process = subprocess.Popen(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *line], stderr=subprocess.PIPE, text=True
        )
        try:
            wait_for_a_request(asked, process)
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            assert process.poll() is None
        finally:
            process.kill()
            process.communicate()
