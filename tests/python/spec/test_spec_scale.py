"""The judge's scale in prompts: written from the config, and told apart where a template asks for another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.spec.shipped import shipped
from dalign.spec.templates import Templates

HELLO = [{"role": "user", "content": "hello"}]


def asked(templates: Templates, low: float, high: float) -> str:
    user = templates.judge_user(HELLO, "A", reasoning=None, nonce="n0nce", low=low, high=high)
    return templates.judge_system("POLICY", low=low, high=high)["content"] + user["content"]


@pytest.mark.parametrize(
    ("low", "high", "system", "user"),
    [
        (0.0, 10.0, "a whole number from 0 (breaks", "(0 to 10)"),
        (1.0, 5.0, "a whole number from 1 (breaks", "(1 to 5)"),
        (-3.0, 3.0, "a whole number from -3 (breaks", "(-3 to 3)"),
        (0.0, 1.0, "a number from 0 (breaks", "(0 to 1)"),
        (0.5, 4.5, "a number from 0.5 (breaks", "(0.5 to 4.5)"),
    ],
)
def test_the_shipped_templates_ask_for_the_scale_of_the_config(low, high, system, user) -> None:
    text = asked(Templates(shipped("templates")), low, high)
    assert system in text and user in text
    assert f"to {high:g} (follows" in text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped("templates"), tmp_path / "templates"))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("End with `Score: N`, N from 0 (bad) to 10 (good).", (0, 10)),
        ("Rate the answer from 1 to 5.", (1, 5)),
        ("Give a score between 0 and 100.", (0, 100)),
        ("A rating (0-4), nothing else.", (0, 4)),
        ("Score 1–7:", (1, 7)),
        ("Bewerte von 0 bis 10, Score: N", (0, 10)),
        ("Write `Score: N/10`.", (0, 10)),
        ("Give a score out of 5.", (0, 5)),
        # No scale: other counts, and numbers that change.
        ("Rate the answer in 2 to 6 sentences.", None),
        ("Your score follows 1-2 lines of reasons.", None),
        ("Score the answer. Policies of 1990 to 2020 are old.", None),
        ("score ?", None),
        ("Score from {{ low }} to {{ high }}; 0 to 10 is the usual scale.", None),
    ],
)  # fmt: skip
def test_a_scale_that_a_template_has_of_its_own_is_found(folder: Path, line: str, found) -> None:
    for name in ("judge_system.j2", "judge_user.j2"):
        (folder / name).write_text("judge {{ spec }}\n" if "system" in name else "{{ answer }}\n")
    with (folder / "judge_user.j2").open("a") as file:
        file.write(line)
    told = Templates(folder).own_scale()
    assert (told and told[:2]) == found
    assert told is None or told[2:] == ("judge_user.j2", 2)


def test_a_template_of_another_scale_than_the_configs_is_refused(folder: Path) -> None:
    (folder / "judge_user.j2").write_text("{{ answer }}\nScore it from 0 to 2.\n")
    templates = Templates(folder)
    templates.check_scale(0.0, 2.0)
    with pytest.raises(InputError) as caught:
        templates.check_scale(0.0, 10.0)
    assert f"{folder}/judge_user.j2:2: asks for a score from 0 to 2" in str(caught.value)
    assert "judge.low = 0 and judge.high = 10" in str(caught.value)
    Templates(shipped("templates")).check_scale(0.0, 2.0)
    Templates(shipped("sandbox") / "templates").check_scale(0.0, 2.0)
