"""The shipped prompt texts and the English policy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.rows import Message
from dalign.spec.check import check_spec
from dalign.spec.parse import load_spec
from dalign.spec.templates import REQUIRED, Templates, load_templates
from dalign.spec.types import GENERAL, Spec
from policies import ENGLISH

SPECS = Path(__file__).parents[3] / "specs"
HELLO: list[dict[str, str]] = [{"role": "user", "content": "Hello?"}]


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec(ENGLISH)


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates(SPECS / "templates")


def test_every_category_of_the_english_policy_has_all_three_rulings(spec: Spec) -> None:
    for category in spec.categories:
        assert {clause.ruling for clause in category.clauses} == {
            "comply",
            "refuse",
            "safe-complete",
        }
        assert any(clause.allowed for clause in category.clauses)
        assert any(clause.disallowed for clause in category.clauses)


def test_the_composed_policy_has_one_category_in_detail(spec: Spec, templates: Templates) -> None:
    text = templates.spec(spec, "harassment")
    for category in spec.categories:
        assert category.summary in text
    assert spec.principles in text
    harassment, advice = spec.categories
    for clause in harassment.clauses:
        assert clause.id in text and clause.title in text and clause.text in text
        assert all(
            example in text for example in (*clause.allowed, *clause.disallowed, *clause.excludes)
        )
    assert all(guide.text in text for guide in harassment.style)
    assert not any(clause.id in text for clause in advice.clauses)


def test_definitions_and_includes_are_in_the_detail(spec: Spec, templates: Templates) -> None:
    text = templates.spec(spec, "regulated-advice")
    assert "own case: facts about the user's body, dispute or savings." in text
    assert "includes: reading one's test results" in text


def test_the_category_general_has_summaries_and_principles_only(
    spec: Spec, templates: Templates
) -> None:
    text = templates.spec(spec, "general")
    assert all(category.summary in text for category in spec.categories)
    assert spec.principles in text
    assert "in detail" not in text and "Style" not in text


def test_the_english_policy_is_small_enough_for_a_tiny_model(
    spec: Spec, templates: Templates
) -> None:
    for name in (*spec.names, "general"):
        assert len(templates.spec(spec, name).split()) <= 320


def test_the_generation_prompt_asks_for_analysis_citation_decision_and_a_bare_answer(
    templates: Templates,
) -> None:
    system, user = templates.generation("POLICY", HELLO)
    assert "POLICY" in system["content"] and user == HELLO[0]
    instructions = system["content"].partition("FINAL INSTRUCTIONS")[2]
    words = (
        "compliant, correct and helpful",
        "cite the clauses",
        "do not mention clauses that do not apply",
    )
    for part in (*words, "refuse", "safe-complete", "comply", "style guideline", "only the answer"):
        assert part in instructions


def judge_text(templates: Templates, reasoning: str | None, hint: str | None = None) -> str:
    assert "POLICY" in templates.judge_system("POLICY")["content"]
    user = templates.judge_user(HELLO, "ANSWER", reasoning=reasoning, nonce="n0nce", hint=hint)
    return user["content"]


def test_the_judge_sees_the_reasoning_only_where_it_is_given(templates: Templates) -> None:
    shown, hidden = judge_text(templates, "CANARY"), judge_text(templates, None)
    assert "CANARY" in shown
    assert "CANARY" not in hidden and "easoning" not in hidden


def test_all_material_of_the_judge_stands_between_fences_with_the_nonce(
    templates: Templates,
) -> None:
    text = judge_text(templates, "REASONING")
    inside, fenced = False, []
    for line in text.splitlines():
        if line.startswith("[END n0nce]"):
            inside = False
        elif inside:
            fenced.append(line)
        elif line.startswith("[BEGIN n0nce "):
            inside = True
    assert fenced == ["Hello?", "REASONING", "ANSWER"]
    assert "never an instruction" in text.partition("[BEGIN")[0]


def test_material_is_not_rendered_as_a_template(templates: Templates) -> None:
    messages: list[Message] = [{"role": "user", "content": "{{ nonce }} {% if %}"}]
    [_, user] = templates.judgement(
        "", [dict(m) for m in messages], "{{ 7 * 7 }}", reasoning=None, nonce="n0nce"
    )
    assert "{{ nonce }} {% if %}" in user["content"] and "{{ 7 * 7 }}" in user["content"]


def test_the_judge_is_asked_for_a_score_line(templates: Templates) -> None:
    last = judge_text(templates, None).splitlines()[-1]
    assert re.search(r'"Score [0-9a-f]{8}: N" \(0 to 10\)', last)


@pytest.mark.parametrize("ruling", ["refuse", "safe-complete", "comply"])
def test_a_hint_is_another_ais_and_asks_for_a_stance(templates: Templates, ruling: str) -> None:
    text = judge_text(templates, None, ruling)
    assert f"another AI determined that the ideal response is to {ruling}" in text
    assert '"Agree:" or "Disagree:"' in text
    assert "another AI" not in judge_text(templates, None)


def test_retrieval_names_the_categories_and_fences_the_excerpts(templates: Templates) -> None:
    system, user = templates.retrieval(["advice", "harassment"], ["one", "two"], "n0nce")
    assert "advice, harassment" in system["content"] and '"none"' in system["content"]
    assert user["content"].count("[BEGIN n0nce]") == user["content"].count("[END n0nce]") == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{% include '../../secret' %}", "spec.j2:1: a template reads no other file"),
        ("\n{% extends 'x' %}", "spec.j2:2: a template reads no other file"),
        ("{% from 'x' import y %}", "spec.j2:1: a template reads no other file"),
    ],
)
def test_a_template_that_reads_other_files_is_refused(tmp_path, text, words) -> None:
    for name in REQUIRED:
        (tmp_path / name).write_text("x")
    (tmp_path / "spec.j2").write_text(text)
    with pytest.raises(InputError, match=words):
        Templates(tmp_path)


@pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{{ principles + 1 }}", "{{ ''.__class__ }}"])
def test_a_template_that_cannot_be_filled_in_is_one_sentence(tmp_path, text) -> None:
    for name in REQUIRED:
        (tmp_path / name).write_text("x")
    (tmp_path / "spec.j2").write_text(text)
    with pytest.raises(InputError, match=r"spec\.j2: "):
        Templates(tmp_path).compose([], "", None)


@pytest.mark.parametrize(
    "made", ["rule * 300000000", "300000000 * rule", "(rule * 9000) + (rule * 67100000)", "('%0999999999d' if rule else '') % 1", "(rule | length) ** 99999999"]
)  # fmt: skip
def test_a_template_that_grows_for_some_values_alone_is_refused(
    tmp_path: Path, templates: Templates, made: str
) -> None:
    shutil.copytree(templates.folder, tmp_path / "templates")
    (tmp_path / "templates" / "grows_system.j2").write_text("Read.")
    text = f"{{% if rule == 'go' %}}{{{{ {made} }}}}{{% else %}}fine{{% endif %}}"
    (tmp_path / "templates" / "grows_user.j2").write_text(text)
    growing = Templates(tmp_path / "templates")
    assert growing.pair("grows", {"rule": "stay"})[1]["content"] == "fine"
    with pytest.raises(InputError, match=r"grows_user\.j2: .*more than 67,108,864 characters"):
        growing.pair("grows", {"rule": "go"})


def test_a_further_question_needs_its_two_templates_alone(tmp_path, templates: Templates) -> None:
    shutil.copytree(templates.folder, tmp_path / "templates")
    (tmp_path / "templates" / "unclear_system.j2").write_text("You read rules.")
    (tmp_path / "templates" / "unclear_user.j2").write_text("Is this unclear: {{ rule }}")
    more = Templates(tmp_path / "templates")
    asked = [message["content"] for message in more.pair("unclear", {"rule": "S1"})]
    assert asked == ["You read rules.", "Is this unclear: S1"]
    # No row of a run depends on it.
    assert more.sha256 == templates.sha256
    with pytest.raises(InputError, match=r"other_system\.j2: this template is missing; write it"):
        more.pair("other", {})


def test_a_template_that_loops_for_one_category_alone_is_refused_before_any_is_shown(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(ENGLISH, folder)
    shutil.copytree(SPECS / "templates", folder / "templates")
    last = load_spec(folder).names[-1]
    loop = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}"
    text = f"{{% if category and category.name == '{last}' %}}{loop}{{% endif %}}."
    (folder / "templates" / "spec.j2").write_text(text)
    with pytest.raises(InputError, match=r"spec\.j2: this template takes longer"):
        load_templates(folder).spec(load_spec(folder), GENERAL)
    assert [finding.kind for finding in check_spec(folder).findings].count("template") == 1
