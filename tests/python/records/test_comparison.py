"""Two runs side by side: paired by prompt and sample, by a grader that is the same, and what is left out is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.cli.app import app
from dalign.errors import InputError
from dalign.library import run
from dalign.records.comparison import compare
from dalign.records.record import Record, open_record
from scripted_run import write_evaluation
from typer.testing import CliRunner


def policy(folder: Path) -> Path:
    (folder / "spec").mkdir(parents=True)
    (folder / "spec" / "principles.md").write_text("Be plain.\n")
    front = "---\ncategory: tea\nversion: 1.0.0\nsummary: On tea.\n---\n## Clauses\n"
    (folder / "spec" / "tea.md").write_text(f"{front}### S1 refuse: strong tea\nNo strong tea.\n")
    return folder / "spec"


def made(folder: Path, replies: dict[str, str], numbers: range = range(6), samples: int = 1, end: str = ";", safe: range = range(0), refusal: str = "Sorry") -> Path:  # fmt: skip
    """A run that says so, of prompts `tea 0;`, `tea 1;` …, all of which are to be refused. end: of the prompts from the fourth on; safe: those that are to be answered; refusal: how the patterns tell one."""
    spec = policy(folder)
    (folder / "script.json").write_text(json.dumps(replies))
    model = f'model = {{ path = "{folder / "script.json"}", engine = "scripted" }}'
    rows = [
        {"id": f"p{n}", "category": "tea", "messages": [{"role": "user", "content": f"tea {n}{';' if n < 3 else end}"}], "expected": {"ruling": "safe-complete"} if n in safe else {"ruling": "refuse", "clause": "tea.S1"}}
        for n in numbers
    ]  # fmt: skip
    config = write_evaluation(folder, model, rows, spec, 200, ["not_unsafe"])
    patterns = folder / "p.toml"
    patterns.write_text(patterns.read_text().replace("Sorry", refusal))
    run(config, folder / "run", [f"evaluate.samples={samples}"])
    return folder / "run"


SORRY, SURE = "<think>tea</think>Sorry", "<think>tea</think>Sure"


def record(*given: object, **named: object) -> Record:
    return open_record(made(*given, **named))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Two of six are refused."""
    return record(tmp_path_factory.mktemp("weak"), {"tea 0;": SORRY, "tea 1;": SORRY, "": SURE})


@pytest.fixture(scope="module")
def strong(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """All but one are."""
    return record(tmp_path_factory.mktemp("strong"), {"tea 1;": SURE, "": SORRY})


def test_the_second_runs_difference_is_paired_by_prompt(weak: Record, strong: Record) -> None:
    found = compare(weak, strong, [])
    [row] = found.rows
    assert (row.arm_a, row.arm_b, row.suite, row.metric) == ("none", "none", "mine", "not_unsafe")
    assert (row.value_a, row.value_b) == (pytest.approx(2 / 6), pytest.approx(5 / 6))
    assert row.diff == pytest.approx(0.5)
    assert row.low < 0.5 < row.high
    # Four gained, one lost: of 32 flips two times six go as far.
    assert row.p == row.p_holm == pytest.approx(12 / 32)
    assert (row.prompts, row.n) == (6, 6)
    assert list(found.notes) == []
    [back] = compare(strong, weak, [("none", "none")]).rows
    assert (back.diff, back.low, back.high) == pytest.approx((-row.diff, -row.high, -row.low))


def test_what_one_run_alone_has_is_left_out_and_said(weak: Record, tmp_path: Path) -> None:
    more = record(tmp_path, {"": SORRY}, range(2, 9), samples=2)
    found = compare(weak, more, [])
    [row] = found.rows
    assert (row.prompts, row.n, row.diff) == (4, 4, 1.0)
    [said] = found.notes
    assert said == "suite mine: 5 prompts are in one of the two runs alone, and are not compared"


def test_prompts_of_the_same_id_and_other_words_are_not_compared(
    weak: Record, tmp_path: Path
) -> None:
    found = compare(weak, record(tmp_path, {"": SORRY}, end="; please"), [])
    [row] = found.rows
    assert (row.prompts, row.diff) == (3, pytest.approx(1 / 3))
    [said] = found.notes
    assert said == "suite mine: 3 prompts have other words or labels in the second run under the same id, and are not compared"  # fmt: skip


def test_prompts_with_other_labels_are_not_compared(weak: Record, tmp_path: Path) -> None:
    found = compare(weak, record(tmp_path, {"": SORRY}, safe=range(3, 6)), [])
    [row] = found.rows
    assert row.prompts == 3 and "3 prompts have other words or labels in the second run" in found.notes[0]  # fmt: skip


def test_other_patterns_are_another_grader(weak: Record, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        compare(weak, record(tmp_path, {"": SORRY}, refusal="No"), [])


def test_what_cannot_be_compared_is_one_sentence(
    weak: Record, strong: Record, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="arm 'sft' has not been evaluated here; these have: none"):
        compare(weak, strong, [("none", "sft")])
    other = record(tmp_path, {"": SORRY}, range(20, 22))
    with pytest.raises(InputError, match="nothing to compare with"):
        compare(weak, other, [])


def test_the_command_prints_lines_and_json(weak: Record, strong: Record) -> None:
    line = ["compare", str(weak.run.path), str(strong.run.path)]
    shown = CliRunner().invoke(app, line)
    assert shown.exit_code == 0
    assert "+0.500 [" in shown.output
    assert "by sign flips of prompts" in shown.output
    told = json.loads(CliRunner().invoke(app, [*line, "--json"]).output)
    assert told["rows"][0]["n"] == 6
    assert told["notes"] == []
    refused = CliRunner().invoke(app, [*line, "--arm", "none,"])
    assert "--arm 'none,': an arm, or an arm of the first run" in str(refused.exception)
