"""A secret in the environment stands in no byte that a run writes or says, whatever servers make of it."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from fake_server import FakeServer, chat, refusal
from policies import ENGLISH
from scripted_run import write_evaluation

KEY, HEADER = "sk-Canary0123456789abcdefXYZ+/=", "hdr-Canary9876543210zyxwvut"
FORMS = [
    form
    for secret in (KEY, HEADER)
    for form in (
        secret, secret[::-1], secret[:12], secret[-12:], quote(secret, safe=""),
        secret.encode().hex(), base64.b64encode(secret.encode()).decode()[:16],
    )
]  # fmt: skip
PROMPTS = [
    {"id": f"ask-{n}", "category": "regulated-advice", "messages": [{"role": "user", "content": f"Question {n}?"}], "expected": {"ruling": "comply", "clause": "regulated-advice.A1"}}
    for n in range(8)
]  # fmt: skip


def echoing(body, attempt):
    """A server that says the key wherever it says anything."""
    asked = body["messages"][-1]["content"]
    if "Question 1" in asked:
        return refusal(400, f"refused for {KEY} and {HEADER}", retry_after="0")
    if "Question 2" in asked and attempt == 0:
        return refusal(500, f"down for {base64.b64encode(KEY.encode()).decode()}")
    if "Question 3" in asked and attempt == 0:
        return refusal(429, f"slow down, {HEADER[::-1]}", retry_after="0")
    if "Question 4" in asked:
        return chat(f"Your key is {KEY}.", reasoning=f"The header {HEADER} is known.")
    if "Question 5" in asked:
        return chat(f"{KEY}", finish=f"ended {KEY}")
    return chat("Score: 9" if "core" in asked else "An agreement.", reasoning="A1 allows it.")


def written(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder, tables and databases with their texts unpacked."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        text = path.name + path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += json.dumps(pl.read_parquet(path).to_dicts(), ensure_ascii=False, default=str)
        elif path.read_bytes().startswith(b"SQLite format"):
            with sqlite3.connect(path) as database:
                text += "\n".join(database.iterdump())
        yield path, text


@pytest.mark.parametrize("command", ["run", "resume", "plan"])
def test_no_secret_is_written_or_said(tmp_path: Path, command: str) -> None:
    with (
        FakeServer(echoing, models=[{"id": "m", "root": f"of {KEY}"}]) as one,
        FakeServer(echoing) as two,
    ):
        settings = f"""
run = {{ cache = "{tmp_path}/cache" }}
"""
        model = f"""
[model]
path = "m"
engine = "openai"
base_url = "{one.base_url}"
endpoints = {{ "{two.base_url}" = 1.0 }}
api_key_env = "DALIGN_TEST_KEY"
headers = {{ x-team = "DALIGN_TEST_HEADER" }}
price = {{ read = 1.0, written = 2.0 }}
retry_s = 1.0
"""
        config = write_evaluation(tmp_path, "", PROMPTS, ENGLISH)
        config.write_text(f"{settings.splitlines()[1]}\n{config.read_text()}" + model)
        line = [sys.executable, "-c", "from dalign.cli import main; main()"]
        env = {"DALIGN_TEST_KEY": KEY, "DALIGN_TEST_HEADER": HEADER}
        calls = [["run", str(config), "--run", str(tmp_path / "run"), "--allow-missing"]]
        if command == "plan":
            calls = [["plan", str(config)]]
        if command == "resume":
            calls = [
                [*calls[0], "--set", "run.cap.requests=5"],
                calls[0],
                ["verify", str(tmp_path / "run")],
            ]
        said = ""
        for call in calls:
            ended = subprocess.run(
                [*line, *call],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, **env},
            )
            said += ended.stdout + ended.stderr
            assert "Traceback" not in said, said
    assert any(KEY in str(headers) for headers in one.headers + two.headers) or command == "plan", (
        said
    )
    files = dict(written(tmp_path))
    assert command == "plan" or {"report.html", "spent.json"} & {path.name for path in files}
    for form in FORMS:
        assert form not in said
        assert [str(path) for path, text in files.items() if form in text] == []
