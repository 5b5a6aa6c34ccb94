"""A first start that is refused, or that ends before anything was made, leaves nothing: the corrected one is no other config."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from fake_server import FakeServer, chat, refusal
from roomy import with_positions
from scripted_run import write_project


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = write_project(tmp_path / "project") / "dalign.toml"
    (tmp_path / "project" / "script.json").write_text(json.dumps({"": "<think>a</think>b"}))
    file.write_text(file.read_text().replace('arms = ["none", "spec", "sft"]', 'arms = ["none"]'))
    return file


def judge_at(url: str, name: str = "j") -> tuple[str, ...]:
    given = (f"path={name}", "engine=openai", f"base_url={url}")
    return tuple(word for each in given for word in ("--set", f"judge_model.{each}"))


def test_a_server_that_refuses_at_once_leaves_nothing(config, tmp_path, dalign) -> None:
    run = tmp_path / "run"
    with FakeServer(lambda *_: refusal(404, "the model 'wrnog' does not exist")) as server:
        model = ("model.engine=openai", "model.path=wrnog", f"model.base_url={server.base_url}")
        words = [word for each in model for word in ("--set", each)]
        code, _, err = dalign("run", config, "--run", run, *words)
    assert code == 1 and "does not exist" in err
    assert not run.exists()
    with FakeServer(lambda *_: chat("<think>a</think>Score: 7")) as server:
        words[3], words[5] = "model.path=right", f"model.base_url={server.base_url}"
        code, _, err = dalign("run", config, "--run", run, "--allow-missing", *words)
    assert code == 0, err


def test_weights_that_cannot_be_loaded_leave_nothing(config, tmp_path, dalign) -> None:
    pytest.importorskip("torch")
    broken = with_positions(tmp_path / "broken")
    for path in broken.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:999])
    run = tmp_path / "run"
    code, _, err = dalign("run", config, "--run", run, "--set", f"model.path={broken}", "--set", "model.engine=transformers")  # fmt: skip
    assert code == 1 and "cannot be loaded" in err
    assert not run.exists()


def test_what_was_made_stays_though_a_later_stage_is_refused(config, tmp_path, dalign) -> None:
    """The completions of the arm are in its journal when the judge is found to be away."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = tmp_path / "run"
    code, _, _ = dalign("run", config, "--run", run, *judge_at(f"http://127.0.0.1:{port}/v1"))
    assert code == 1
    assert (run / "config.toml").is_file() and any(run.glob("evaluate/none/journal*.jsonl"))


def test_a_folder_that_was_there_stays(config, tmp_path, dalign) -> None:
    run = tmp_path / "run"
    run.mkdir()
    code, _, _ = dalign("run", config, "--run", run, "--set", "data.prompts=nowhere.jsonl")
    assert code == 1 and (not run.exists() or list(run.iterdir()) == [])


def test_several_processes_are_refused_by_every_stage_before_anything_is_made(
    config, tmp_path, dalign, monkeypatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    run = tmp_path / "run"
    for command in ("run", "generate", "sft", "evaluate"):
        code, _, err = dalign(command, config, "--run", run)
        assert code == 1 and "here are 8" in err and "set run.devices" in err
        assert not run.exists()
