"""Prompts of a suite that are trained on: found before anything is paid for, and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.progress import Progress
from dalign.records.record import open_record
from dalign.records.report_content import warnings_of
from dalign.settings import load_config
from scripted_run import go, prompt, write_project

LONG = "Tell me in plain words, please, how one cooks a clear soup of old bones at home"


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def row(text: str, **more: object) -> str:
    turn = {"role": "user", "content": text}
    return json.dumps({"category": "soup", "messages": [turn], **more}) + "\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def told(project: Path, *overrides: str) -> list[str]:
    """What a dry run says of leaks."""
    config, heard = load_config(project / "dalign.toml", overrides), Heard()
    # Nothing trains here: there is no checkpoint of a scripted model.
    from dalign.pipeline.project import bring_in

    place = project.parent / "inputs"
    heard.said += [str(leak) for leak in bring_in(config, place, None, heard).leaks]
    return [said for said in heard.said if "hold a prompt of suite" in said]


def test_equal_prompts_and_long_runs_of_words_are_counted(project: Path) -> None:
    assert told(project) == []
    (project / "suite.jsonl").write_text(prompt("tea", 0) + row(LONG + ", and why?"))
    with (project / "prompts.jsonl").open("a") as file:
        file.write(row(f"Hello. {LONG}.", id="long") + row("Tell me in plain words."))
    [said] = told(project)
    assert said.startswith("2 of 11 rows of data.prompts hold a prompt of suite 'test'")


def test_every_file_that_is_trained_on_is_looked_at_and_no_other(project: Path) -> None:
    conversation = [
        {"role": "user", "content": "soup, question 7"},
        {"role": "assistant", "content": "No."},
    ]
    (project / "more.jsonl").write_text(json.dumps({"messages": conversation}) + "\n")
    (project / "rl.jsonl").write_text(prompt("tea", 7) + prompt("tea", 8))
    more = ("data.capability=" + str(project / "more.jsonl"), "data.rl_prompts=" + str(project / "rl.jsonl"))  # fmt: skip
    every = told(project, *more, 'evaluate.arms=["none", "sft+rl"]')
    assert [said.split(" hold")[0] for said in every] == [
        "1 of 2 rows of data.rl_prompts",
        "1 of 1 rows of data.capability",
    ]
    assert [s[:7] for s in told(project, *more, 'evaluate.arms=["none", "rl"]')] == ["1 of 2 "]
    assert told(project, *more, 'evaluate.arms=["none", "spec"]') == []


def test_an_edited_file_is_compared_again_and_an_unchanged_one_is_not(project, monkeypatch) -> None:
    (project / "suite.jsonl").write_text(prompt("tea", 0))
    assert len(told(project)) == 1
    monkeypatch.setattr("dalign.pipeline.project.leaks_between", lambda *_: pytest.fail("again"))
    assert len(told(project)) == 1
    monkeypatch.undo()
    (project / "suite.jsonl").write_text(prompt("tea", 9))
    assert told(project) == []


def test_the_report_says_so_before_the_numbers(project: Path, tmp_path: Path) -> None:
    (project / "suite.jsonl").write_text(prompt("tea", 0))
    names = ("generate/main", "filter/main", "judge/main", "select/main", "evaluate/none", "evaluate/spec")  # fmt: skip
    go(project, tmp_path / "run", *names)
    said = warnings_of(open_record(tmp_path / "run"), ("none", "spec"))
    assert said[0].startswith("1 of 9 rows of data.prompts hold a prompt of suite 'test'")
