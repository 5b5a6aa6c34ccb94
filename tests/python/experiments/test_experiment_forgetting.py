"""What `dalign ablate forgetting` asks for, refuses, and prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.cli.app import app
from dalign.errors import InputError
from dalign.experiments.forgetting import Asked, Found, _pairs, cells_of, check_asked, default_arms
from dalign.experiments.page import markdown
from dalign.experiments.pooled import Change, Figure
from dalign.settings import load_config
from scripted_run import write_project
from typer.testing import CliRunner

BOTH = Asked(("full", "lora"), (0.0, 0.5), ("sft",), {"lora": ["sft.learning_rate=0.01"]})


def test_a_cell_is_a_method_and_a_ratio_with_what_goes_with_the_method() -> None:
    cells = cells_of(BOTH)
    assert [cell.name for cell in cells] == ["full-0", "full-0.5", "lora-0", "lora-0.5"]
    assert cells[0].settings == (
        "sft.method=full", "sft.capability_ratio=0", 'evaluate.arms=["none","sft"]',
    )  # fmt: skip
    assert cells[3].settings[-1] == "sft.learning_rate=0.01"
    of_rl = cells_of(Asked(("lora",), (1.0,), ("sft+rl",), {}))[0].settings
    assert of_rl[:2] == ("rl.method=lora", "sft.method=lora")


def test_cells_are_paired_where_they_differ_in_one_thing() -> None:
    assert _pairs(cells_of(BOTH)) == [
        ("full-0", "full-0.5"), ("full-0", "lora-0"), ("full-0.5", "lora-0.5"), ("lora-0", "lora-0.5"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(("qlora",), (0.0,), ("sft",), {}), "--methods names 'qlora'; known are full and lora"),
        (Asked(("full",), (-1.0,), ("sft",), {}), "--ratios names -1: capability rows for each"),
        (Asked(("full",), (float("nan"),), ("sft",), {}), "--ratios names nan"),
        (Asked(("full",), (0.0,), ("spec",), {}), "--arms: spec; name trained arms, such as sft"),
        (Asked(("full",), (0.0,), (), {}), "--arms: none; name trained arms"),
    ],
)  # fmt: skip
def test_what_is_no_cell_is_refused(asked: Asked, said: str) -> None:
    with pytest.raises(InputError) as caught:
        cells_of(asked)
    assert str(caught.value).startswith(said)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project") / "dalign.toml"


def test_a_config_in_which_nothing_would_be_seen_is_refused(project: Path) -> None:
    config = load_config(project, [])
    assert default_arms(config) == ["sft"]
    with pytest.raises(InputError, match="no suite measures what is forgotten"):
        check_asked(config, BOTH)


def test_one_rate_for_both_methods_is_told(project: Path) -> None:
    text = project.read_text() + 'metrics = ["capability"]\njudge = false\npatterns = "p.toml"\n'
    (project.parent / "p.toml").write_text("[[answer]]\nruling = 'comply'\npattern = '.'\n")
    project.write_text(text)
    plain = Asked(BOTH.methods, (0.0,), BOTH.arms, {})
    assert check_asked(load_config(project, []), plain) == []
    [said] = check_asked(load_config(project, ["sft.learning_rate=1e-3"]), plain)
    assert "sft.learning_rate = 0.001 is taken for full weights and for LoRA alike" in said
    own = Asked(BOTH.methods, (0.0,), BOTH.arms, BOTH.own)
    assert check_asked(load_config(project, ["sft.learning_rate=1e-3"]), own) == []
    with pytest.raises(InputError, match="--ratios above 0 need capability rows"):
        check_asked(load_config(project, []), BOTH)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ratios", "0,half"], "--ratios '0,half': numbers by commas are needed"),
        (["--methods", "full,qlora"], "--methods names 'qlora'"),
        ([], "no suite measures what is forgotten"),
    ],
)
def test_bad_words_get_one_sentence_and_leave_nothing(
    project: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    out = tmp_path / "out"
    line = ["ablate", "forgetting", str(project), "--out", str(out), *words]
    done = CliRunner().invoke(app, line)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert not out.exists()


def test_the_page_has_every_figure_and_nothing_of_a_cell_that_is_markdown() -> None:
    figure = Figure("full-0", "sft", "a|b", "not_unsafe", 0.5, 0.25, 0.75, 0.4, 0.6, 12)
    base = Figure("full-0", "none", "a|b", "not_unsafe", 0.1, 0.05, 0.2, 0.1, 0.1, 12)
    twice = base._replace(cell="lora-0")
    lost = Figure("full-0", "sft", "cap", "capability", None, None, None, None, None, 9)
    clear = Change("full-0", "lora-0", "sft", "a|b", "not_unsafe", 0.3, 0.1, 0.5)
    chance = clear._replace(low=-0.1)
    page = markdown(Found(2, [figure, base, twice], [lost], [clear, chance], ["alarm"]), "dalign x")
    assert (
        "| full-0 | sft | a\\|b | not_unsafe | 0.500 [0.250, 0.750] (0.400 to 0.600) | 12 |" in page
    )
    assert page.count("| every | none |") == 1
    assert "| full-0 | sft | cap | not measured | 9 |" in page
    assert "| **+0.300 [+0.100, +0.500]** |" in page and "| +0.300 [-0.100, +0.500] |" in page
    assert "**alarm**" in page and json.dumps(page)
