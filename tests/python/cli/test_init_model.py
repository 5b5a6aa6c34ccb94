"""`dalign init --model`: a project that is right for a model of the user's, as it stands."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from dalign.config import Config
from dalign.data.patterns import read_patterns
from dalign.settings import load_config
from roomy import with_positions

pytest.importorskip("torch")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    # As many as models of 8B parameters have.
    return with_positions(tmp_path / "models" / "mine", 40960)


@pytest.fixture
def project(checkpoint: Path, tmp_path: Path, dalign) -> Path:
    folder = tmp_path / "my-project"
    code, out, err = dalign("init", folder, "--model", checkpoint)
    assert (code, err) == (0, "")
    assert str(folder / "dalign.toml") in out
    return folder


def test_every_number_is_the_schemas_own(project: Path, checkpoint: Path) -> None:
    config = load_config(project / "dalign.toml")
    assert config.model.path == str(checkpoint)
    assert (config.model.device, config.model.dtype) == ("auto", "auto")
    assert config.model.reasoning.kind == "auto"
    given = tomllib.loads((project / "dalign.toml").read_text())
    del given["sft"]["lora"]
    assert {key for key, values in given.items() if values} == {"evaluate", "spec", "data", "model"}
    plain = Config.model_validate(
        {"model": {"path": "m"}, "spec": {"path": "s"}, "data": {"prompts": "p"}}
    )
    for section in ("generate", "judge", "select", "pack", "sft", "rl"):
        assert getattr(config, section) == getattr(plain, section)
    assert (config.judge.low, config.judge.high, config.pass_score) == (0.0, 10.0, 7.0)


def test_it_holds_no_file_of_the_sandbox(project: Path) -> None:
    names = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert names >= {"dalign.toml", "prompts.jsonl", "suites/held-out.jsonl", "suites/permitted.jsonl", "suites/refusals.toml"}  # fmt: skip
    assert not any("rl_prompts" in name or "capability" in name for name in names)
    assert not (project / "spec" / "templates").exists()
    assert (project / "spec" / "principles.md").is_file()


def test_its_prompts_cover_every_category_and_its_suites_are_other_prompts(project: Path) -> None:
    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (project / name).read_text().splitlines()]

    prompts, held_out = rows("prompts.jsonl"), rows("suites/held-out.jsonl")
    permitted = rows("suites/permitted.jsonl")
    categories = {row["category"] for row in prompts}
    assert categories == {row["category"] for row in held_out}
    assert "general" in categories and len(categories) == 8
    assert {row["expected"]["ruling"] for row in permitted} == {"comply"}
    texts = [{json.dumps(row["messages"]) for row in each} for each in (prompts, held_out)]
    assert texts[0].isdisjoint(texts[1])


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
