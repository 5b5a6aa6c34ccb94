"""A reasoning that does what the shipped template asks for, to the letter, retrieves its policy and passes the filter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import polars as pl
import pytest
from dalign import _core
from dalign.data.patterns import AnswerPattern, Patterns
from dalign.evaluate.grades import Graded, truth_grades
from dalign.evaluate.retrieval import OwnNames, retrieval_grades, sentences_on_policy
from dalign.judge.court import Court
from dalign.judge.forms.category import CategoryForm, classified
from dalign.models.ask import Ask
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Request, Sampling
from dalign.pattern import read_pattern
from dalign.rows import Expected, Message, Prompt
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped
from dalign.spec.templates import load_templates

SPEC = load_spec(shipped("safety"))
TEMPLATES = load_templates(SPEC.folder)
NAMES = OwnNames(SPEC)
ASKED = (Message(role="user", content="Hello?"),)
# What the template says between quotation marks with a NAME in it.
[CLAUSE_FORM, STYLE_FORM] = re.findall(r'"([^"]*NAME[^"]*)"', TEMPLATES.generation_system(""))


def first_words(text: str) -> str:
    return " ".join(re.split(r"[.;:]", text)[0].split()[:9])


def reasonings() -> Iterator[tuple[str, str, str]]:
    """(category, clause's id, reasoning) of each clause: as a sentence in the midst of others."""
    for category in SPEC.categories:
        for clause in category.clauses:
            said = CLAUSE_FORM.replace("NAME", category.name).replace("KEY", clause.key)
            style = STYLE_FORM.replace("NAME", category.name).replace("RULING", clause.ruling)
            said, style = (
                text.replace("...", first_words(of))
                for text, of in ((said, clause.text), (style, category.style[0].text))
            )
            yield (
                category.name,
                clause.id,
                f"A plain question. Here {said}. I {clause.ruling}; {style}. Done.",
            )


ALL = list(reasonings())


def test_there_is_a_reasoning_for_every_clause() -> None:
    assert [clause for _, clause, _ in ALL] == [clause.id for clause in SPEC.clauses()]
    assert len(ALL) > 100


def graded(category: str, clause: str, reasoning: str) -> Graded:
    prompt = Prompt(clause, category, ASKED, expected=Expected(clause=clause))
    return Graded.of(clause, "suite", prompt, "ok", reasoning, "An answer.")


def reader(request: Request) -> str:
    """A classifier that names what the excerpts between the fences name, and nothing else."""
    fenced = request.messages[-1]["content"]
    [seal] = re.findall(r'"Policy (\w+): NAME"', fenced)
    found = {name for name in SPEC.names if f"{name} policy" in fenced}
    return f"Policy {seal}: {found.pop() if len(found) == 1 else 'none'}"


def test_each_scores_one_on_retrieval_by_the_classifier() -> None:
    form = CategoryForm(SPEC.names, TEMPLATES)
    ask = Ask(ScriptedEngine(reader))
    classify = partial(classified, form, court=Court((), 1), ask=ask, sampling=Sampling(0.0, 8))
    rows = [graded(*each) for each in ALL]
    grades = retrieval_grades(rows, categories=SPEC.names, classify=classify, names=NAMES)
    assert {grade.grade for grade in grades} == {1.0} and len(grades) == len(ALL)


def test_each_scores_one_on_retrieval_by_truth() -> None:
    patterns = Patterns((AnswerPattern("comply", read_pattern("."), True),))
    for each in ALL:
        [grade] = truth_grades(graded(*each), patterns, ["policy_retrieval"])
        assert grade.grade == 1.0, each


def test_none_refers_to_what_will_not_be_there() -> None:
    texts = pl.Series([reasoning for *_, reasoning in ALL])
    none = pl.Series([""] * len(ALL))
    found = pl.DataFrame(_core.quality(none, texts, none, 3, [], []))
    assert found["reasoning_dangling"].sum() == 0


@pytest.mark.parametrize(
    "sentence",
    [
        "By self-harm.S8, ask about safety",
        "S8 has it",
        "As Thoughts of suicide has it, no",
        "By style.refuse I am brief",
        "harassment.style.comply asks for plain words",
        "The extremism rules have a word for it",
        "It is disallowed",
        "The GUIDELINE is plain",
    ],
)
def test_excerpts_are_found_by_the_papers_words_and_by_the_policys_own_names(sentence) -> None:
    assert sentences_on_policy(f"Well. {sentence}. So", NAMES) == [sentence]


@pytest.mark.parametrize(
    "sentence",
    [
        "She swallowed a coin",
        "The user has thoughts of suicide",
        "It is about violence and self-harm",
        "An A0 sheet of paper",
        "See example.com for more",
        "The politics of it",
    ],
)
def test_words_of_the_subject_are_no_excerpts(sentence) -> None:
    assert sentences_on_policy(f"Well. {sentence}. So", NAMES) == []


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("the self-harm policy, S8, says", "self-harm.S8"),
        ("The Self-Harm policy (S8) says", "self-harm.S8"),
        ("the self-harm policy section S8 says", "self-harm.S8"),
        ("the self-harm policy's clause S8 says", "self-harm.S8"),
        ("self-harm.S8 says", "self-harm.S8"),
        ("The self\u2011harm policy, S8, says", "self-harm.S8"),
        ("Self\u2010harm.S8 says", "self-harm.S8"),
        ("the self-harm policy says", None),
        ("the self-harm policy, style.refuse, says", None),
        ("self-harm.style.refuse says", None),
    ],
)
def test_a_citation_is_read_in_each_form_that_the_template_gives(text, cited) -> None:
    assert Patterns(()).cited(text) == cited
