"""`kill -9` at ten random moments of a judge stage that asks a server: the same rows, and nothing that was answered is asked again."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dalign.store.parts import Table
from fake_server import Answer, FakeServer, chat
from scripted_run import prompt, write_project

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

PROMPTS, IN_FLIGHT, KILLS = 250, 8, 10
DALIGN = [sys.executable, "-c", "from dalign.cli import main; main()"]


def word_of(body: dict[str, Any]) -> str:
    """A word for a request, which its reply holds."""
    return hashlib.sha256(json.dumps([body["seed"], body["messages"]]).encode()).hexdigest()[:16]


def judged(body: dict[str, Any], before: int) -> Answer:
    word = word_of(body)
    return chat(f"because of {word}\nScore: {int(word[:4], 16) % 11}", delay_s=0.02)


def stage(name: str, project: Path, run: Path, url: str) -> list[str]:
    judge = {"path": "m", "engine": "openai", "base_url": url, "batch_size": IN_FLIGHT}
    line = [*DALIGN, name, str(project / "dalign.toml"), "--run", str(run)]
    for key, value in judge.items():
        line += ["--set", f"judge_model.{key}={value}"]
    return line


def answered(run: Path) -> set[str]:
    """The words of the replies that a killed stage has journalled, or made rows of."""
    journal = run / "judge" / "main" / "journal.jsonl"
    lines = journal.read_bytes().splitlines() if journal.is_file() else []
    words = {line.split(b"because of ")[1][:16].decode() for line in lines if line.endswith(b"}") and b"because of " in line}  # fmt: skip
    kept = Table(run / "judge" / "main", "replies")
    texts = kept.frame(["text"])["text"].to_list() if kept.paths() else []
    return words | {text.split("because of ")[1][:16] for text in texts}


def test_ten_kills_of_a_judge_stage_lose_and_repeat_nothing(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    (project / "prompts.jsonl").write_text("".join(prompt("soup", i) for i in range(PROMPTS)))
    said = {"": "<think>The policy on soup says to comply.</think>Here you are."}
    (project / "script.json").write_text(json.dumps(said))
    # Small parts, so that some are made, one is in work and some are to come.
    config = project / "dalign.toml"
    config.write_text(config.read_text() + "\n[run]\npart_rows = 100\n")
    rng = random.Random(0)
    with FakeServer(judged, [{"id": "m"}]) as server:
        for name in ("generate", "filter"):
            subprocess.run(stage(name, project, run, server.base_url), check=True, capture_output=True)  # fmt: skip
        undisturbed = shutil.copytree(run, tmp_path / "undisturbed")
        subprocess.run(stage("judge", project, undisturbed, server.base_url), check=True, capture_output=True)  # fmt: skip
        asked = len(server.bodies)
        server.bodies.clear()
        done: list[tuple[int, set[str]]] = []
        for _ in range(KILLS):
            begun = len(server.bodies)
            program = subprocess.Popen(stage("judge", project, run, server.base_url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
            while len(server.bodies) == begun and program.poll() is None:
                time.sleep(0.005)
            time.sleep(rng.uniform(0.0, 0.8 * asked * 0.02 / IN_FLIGHT / KILLS * 2))
            program.kill()
            program.wait()
            time.sleep(0.3)
            done.append((len(server.bodies), answered(run)))
        last = subprocess.run(stage("judge", project, run, server.base_url), check=True, capture_output=True, text=True)  # fmt: skip
        sent = [word_of(body) for body in server.bodies]
    assert "Traceback" not in last.stderr
    for since, words in done:
        assert words.isdisjoint(sent[since:])
    assert any(words for _, words in done[:5]) and len(done[-1][1]) < asked
    assert asked <= len(sent) <= asked + KILLS * 2 * IN_FLIGHT
    assert len(set(sent)) == asked
    rows = [Table(each / "judge" / "main").frame() for each in (run, undisturbed)]
    assert rows[0].equals(rows[1]) and rows[0].height > 0
