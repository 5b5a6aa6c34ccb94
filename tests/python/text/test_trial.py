"""Templates of others that would take a machine's time or memory are told of, before they are filled in."""

from __future__ import annotations

import time

import pytest
from dalign import trial

HI = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", "longer"),
        ("{{ 9 ** (9 ** 9) }}", "longer"),
        ("{{ 'x' * 3000000000 }}", "more than"),
        ("{{ 'x' * 100000000 }}", "more than"),
        ("{{ 'x'.ljust(10 ** 12) }}", "more than"),
        ("{% set n = namespace(x='xx') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "more than"),
        ("{{ [0] * 10 ** 10 }}", "more than"),
    ],
)  # fmt: skip
def test_a_template_without_an_end_is_stopped(template: str, says: str) -> None:
    began = time.process_time()
    problem = trial.problem(template, [HI])
    assert problem is not None and says in problem
    assert time.process_time() - began < 1  # the work is another process's


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}{% break %}{% endfor %}",
        "{% generation %}{{ messages[0]['content'] }}{% endgeneration %}",
        "{{ messages | tojson(indent=2) }}{{ strftime_now('%Y') }}",
        # These end soon: what is wrong with them is told where they are filled in.
        "{{ raise_exception('no') }}",
        "{{ range(10 ** 9) | length }}",
        "{{ ''.__class__.__mro__ }}",
        "{% if %}",
    ],
)
def test_a_template_that_ends_has_no_problem_here(template: str) -> None:
    assert trial.problem(template, [HI]) is None


def test_a_template_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{{ messages }} and nothing else"
    assert trial.problem(template, [HI]) is None
    monkeypatch.setattr(trial, "_tried", lambda asked: "tried again")
    assert trial.problem(template, []) is None
