"""Templates of others that would take a machine's time or memory are told of, before they are filled in."""

from __future__ import annotations

import sys
import time
from pathlib import Path

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


def test_what_lies_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dalign

    monkeypatch.setenv("PYTHONPATH", str(Path(dalign.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    for name in ("jinja2", "json", "dalign"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w'); raise SystemExit(0)\n")
    problem = trial.problem("{{ 9 ** (9 ** 9) }}{# here #}", [HI])
    assert problem is not None and "longer" in problem
    assert not (tmp_path / "ran").exists()


def test_a_trial_that_cannot_start_lets_nothing_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jinja2.py").write_text("raise ImportError('no such package')\n")
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *filter(None, sys.path)]))
    problem = trial.problem("{{ messages }}{# there #}", [HI])
    assert problem is not None and "could not be tried" in problem and "no such package" in problem
