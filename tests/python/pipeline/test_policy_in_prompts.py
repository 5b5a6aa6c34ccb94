"""What of the policy a run's prompts hold: the summaries alone in one arm, and no more tokens than are set."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.pipeline.project import Project, bring_in, left_out
from dalign.settings import load_config
from dalign.spec.templates import Budget
from dalign.spec.token_count import by_bytes
from scripted_run import CLAUSE, go, write_project


def with_setting(project: Path, before: str, after: str) -> Path:
    config = project / "dalign.toml"
    assert before in config.read_text()
    config.write_text(config.read_text().replace(before, after))
    return project


def test_an_arm_sees_all_summaries_and_no_category_in_detail(tmp_path: Path) -> None:
    project = with_setting(write_project(tmp_path / "project"), '"spec", "sft"', '"summaries", "sft"')  # fmt: skip
    made = go(project, tmp_path / "run", "evaluate/summaries")
    asked = [r.messages for r in made.scripted.requests if r.messages[-1]["content"].endswith("question 7")]  # fmt: skip
    assert len(asked) == 2
    for system, user in asked:
        assert "soup: On soup." in system["content"] and "tea: On tea." in system["content"]
        assert "Be plain." in system["content"]
        assert CLAUSE not in system["content"]
        assert user["role"] == "user"


def brought(project: Path, place: Path) -> Project:
    config = load_config(project / "dalign.toml", [])
    assert config.spec.max_tokens is not None
    return bring_in(config, place, Budget(config.spec.max_tokens, by_bytes, ""))


def budgeted(folder: Path, most: int) -> Path:
    """The project with twenty examples in one clause, and a bound."""
    project = with_setting(write_project(folder), 'path = "spec"\n', f'path = "spec"\nmax_tokens = {most}\n')  # fmt: skip
    examples = "".join(f'- allowed: "How do I cook soup number {n}?"\n' for n in range(20))
    path = project / "spec" / "soup.md"
    path.write_text(path.read_text() + examples)
    return project


def test_examples_are_left_out_where_the_policy_is_over_its_tokens_and_that_is_said(
    tmp_path: Path,
) -> None:
    made = brought(budgeted(tmp_path / "project", 200), tmp_path / "inputs")
    text = made.templates.spec(made.spec, "soup")
    assert -(-len(text.encode()) // 4) <= 200
    shown = text.count("How do I cook soup number")
    assert 0 < shown < 20 and CLAUSE in text
    assert list(left_out(made)) == [f"spec(soup) leaves out {20 - shown} examples to fit spec.max_tokens = 200, of soup.S1"]  # fmt: skip
    # Another bound is another prompt: what depends on the templates runs again.
    wider = brought(budgeted(tmp_path / "wider", 250), tmp_path / "inputs")
    assert wider.templates.sha256 != made.templates.sha256


def test_a_policy_that_cannot_fit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"spec\(soup\) has \d+ tokens even without examples"):
        brought(budgeted(tmp_path / "project", 20), tmp_path / "inputs")
    assert [*(tmp_path / "inputs").rglob("*.*")] == []
