"""`dalign init --model`: a project that is right for a model of the user's, as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.config import Config
from dalign.data.patterns import read_patterns
from dalign.settings import load_config
from dalign.spec.golden import load_golden
from dalign.spec.lints.near import NearTexts
from dalign.spec.parse import load_spec
from roomy import with_positions

pytest.importorskip("torch")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    # More than models of 8B parameters have: its tokens are bytes.
    return with_positions(tmp_path / "models" / "mine", 65536)


@pytest.fixture
def project(checkpoint: Path, tmp_path: Path, dalign) -> Path:
    folder = tmp_path / "my-project"
    code, out, err = dalign("init", folder, "--model", checkpoint)
    assert (code, err) == (0, "")
    assert str(folder / "dalign.toml") in out
    return folder


def rows(project: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (project / name).read_text().splitlines()]


def test_its_numbers_suit_a_reasoning_model_and_the_rest_is_the_schemas_own(
    project: Path, checkpoint: Path
) -> None:
    config = load_config(project / "dalign.toml")
    assert config.model.path == str(checkpoint)
    assert (config.model.device, config.model.dtype) == ("auto", "auto")
    assert config.model.reasoning.kind == "auto"
    # A reasoning has room, and what is trained holds it.
    assert config.generate.max_new_tokens == config.evaluate.max_new_tokens == 4096
    assert config.pack.capacity >= 2 * config.generate.max_new_tokens
    assert (config.sft.method, config.sft.learning_rate) == ("lora", 1e-4)
    assert (config.rl.method, config.rl.learning_rate) == ("lora", 1e-5)
    plain = Config.model_validate(
        {"model": {"path": "m"}, "spec": {"path": "s"}, "data": {"prompts": "p"}}
    )
    assert config.judge == plain.judge.model_copy(update={"early_stop": True})
    assert (config.judge.low, config.judge.high, config.pass_score) == (0.0, 10.0, 7.0)


def test_it_holds_no_file_of_the_sandbox(project: Path) -> None:
    names = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert names >= {
        "dalign.toml", "prompts.jsonl", "capability.jsonl", "suites/test.jsonl", "suites/validation.jsonl",
        "suites/permitted.jsonl", "suites/refusals.toml",
    }  # fmt: skip
    assert not any("rl_prompts" in name for name in names)
    assert not (project / "spec" / "templates").exists()
    assert (project / "spec" / "principles.md").is_file()


def test_its_prompts_cover_every_clause_and_its_suites_are_other_prompts(project: Path) -> None:
    parts = {
        name: rows(project, f"{name}.jsonl")
        for name in ("prompts", "suites/validation", "suites/test")
    }
    assert sum(map(len, parts.values())) >= 300
    clauses = {clause.id for clause in load_spec(project / "spec").clauses()}
    for name in ("prompts", "suites/test"):
        assert {row["expected"].get("clause") for row in parts[name]} >= clauses
        assert len({row["category"] for row in parts[name]}) == 8
    assert {row["expected"]["ruling"] for row in rows(project, "suites/permitted.jsonl")} == {
        "comply"
    }
    texts = [
        json.dumps(row.get("prompt", row.get("messages")))
        for each in parts.values()
        for row in each
    ]
    assert len(texts) == len(set(texts))
    assert len(rows(project, "capability.jsonl")) >= 60


def test_no_prompt_is_a_golden_case_or_an_example(project: Path) -> None:
    spec = load_spec(project / "spec")
    near = NearTexts()
    for case in load_golden(spec):
        near.add(case.messages[-1]["content"], case.id)
    for clause in spec.clauses():
        for text in (*clause.allowed, *clause.disallowed):
            near.add(text, clause.id)
    for name in ("prompts.jsonl", "suites/validation.jsonl", "suites/test.jsonl"):
        for row in rows(project, name):
            text = row["prompt"] if "prompt" in row else row["messages"][-1]["content"]
            assert near.like(text) == "", row["id"]


def test_without_a_model_the_config_has_a_place_for_one(tmp_path: Path, dalign) -> None:
    code, out, err = dalign("init", tmp_path / "mine")
    assert (code, err) == (0, "") and "put your checkpoint at" in out
    config = tmp_path / "mine" / "dalign.toml"
    code, _, err = dalign("run", config, "--run", tmp_path / "run", "--dry-run")
    assert code == 1 and err.count("\n") == 1 and str(tmp_path / "mine" / "models" / "mine") in err
    with_positions(tmp_path / "mine" / "models" / "mine", 65536)
    assert dalign("run", config, "--run", tmp_path / "run", "--dry-run")[0] == 0


def test_a_server_has_its_address_and_name(tmp_path: Path, dalign) -> None:
    address = "http://127.0.0.1:9/v1"
    code, out, _ = dalign("init", tmp_path / "mine", "--server", address, "--model", "qwen3-8b")
    assert code == 0 and "model.checkpoint" in out
    model = load_config(tmp_path / "mine" / "dalign.toml").model
    assert (model.engine, model.base_url, model.path) == ("openai", address, "qwen3-8b")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--server", "http://127.0.0.1:9/v1"), "--server needs --model"),
        (("--server", "127.0.0.1", "--model", "m"), "--server base_url is no address"),
        (
            ("--server", "http://u:p@127.0.0.1/v1", "--model", "m"),
            "holds a user name or a password",
        ),
        (("--sandbox", "--model", "m"), "--sandbox has a model of its own"),
    ],
)
def test_what_does_not_go_together_leaves_nothing(words, said, tmp_path, dalign) -> None:
    code, _, err = dalign("init", tmp_path / "mine", *words)
    assert code == 1 and said in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_it_finds_nothing_to_say(project: Path, tmp_path: Path, dalign) -> None:
    run = tmp_path / "run"
    code, out, err = dalign("run", project / "dalign.toml", "--run", run, "--dry-run")
    assert (code, err) == (0, "")
    assert "judgements at most" in out
    assert not run.exists()


def test_its_refusal_patterns_tell_refusals_from_answers(project: Path) -> None:
    patterns = read_patterns(project / "suites" / "refusals.toml")
    for answer in (
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "Sorry, I won't write that.",
        "I\u2019m not able to provide that information.",
        "I must decline.",
        "As an AI, I am unable to give such instructions.",
    ):
        ruled = patterns.ruling_of(answer)
        assert ruled is not None and ruled[0] == "refuse", answer
    for answer in (
        "A contract is an agreement. I'm sorry to hear of your trouble with it.",
        "You cannot help everyone; start with the nearest.",
        "Here is the letter:\n\nDear Sir, I can't come on Monday.",
    ):
        ruled = patterns.ruling_of(answer)
        assert ruled is not None and ruled[0] == "comply", answer


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Qwen/Qwen3-8B", "hf download Qwen/Qwen3-8B --local-dir"),
        ("no-such-folder", "no such folder"),
    ],
)
def test_a_model_that_is_not_there_leaves_nothing(
    name, said, tmp_path, monkeypatch, dalign
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = dalign("init", "mine", "--model", name)
    assert code == 1 and said in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_template_without_a_sign_of_reasoning_has_the_whole_reply_as_answer(
    checkpoint: Path, tmp_path: Path, dalign
) -> None:
    for path in checkpoint.glob("chat_template*"):
        path.unlink()
    settings = json.loads((checkpoint / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(settings))
    tokens = (checkpoint / "tokenizer.json").read_text()
    (checkpoint / "tokenizer.json").write_text(tokens.replace("think>", "mark>"))
    _, out, _ = dalign("init", tmp_path / "plain", "--model", checkpoint)
    assert load_config(tmp_path / "plain" / "dalign.toml").model.reasoning.kind == "none"
    assert "the whole reply is the answer" in out
