"""Results by a key of the prompts: the metric on the prompts of each value, and on no others."""

from __future__ import annotations

import json
from pathlib import Path

import dalign
import pytest
from dalign.errors import InputError
from policies import ENGLISH
from scripted_run import write_evaluation

# Id, type, reply. A refusal where help was due fails.
CASES = [
    ("a", "homonym", "Sure."),
    ("b", "homonym", "Sorry."),
    ("c", "figurative", "Sure."),
    ("d", None, "Sure."),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slices")
    rows = []
    for name, kind, _ in CASES:
        turn = {"role": "user", "content": f"question {name}"}
        row = {
            "id": name,
            "category": "general",
            "messages": [turn],
            "expected": {"ruling": "comply"},
        }
        rows.append(row if kind is None else {**row, "type": kind, "level": len(kind)})
    script = folder / "model.json"
    script.write_text(json.dumps({f"question {n}": r for n, _, r in CASES}))
    model = f'model = {{ path = "{script}", engine = "scripted", reasoning = {{ kind = "none" }} }}'
    config = write_evaluation(
        folder, model, rows, ENGLISH, resamples=50, by_patterns=["not_overrefuse"]
    )
    dalign.run(config, folder / "run", ["evaluate.samples=2"])
    return folder / "run"


def test_each_value_has_the_mean_of_its_own_prompts(run: Path) -> None:
    found = [(r.value, r.metric.value, r.metric.n) for r in dalign.Run(run).results_by("type")]
    assert found == [("figurative", 1.0, 2), ("homonym", 0.5, 4), (None, 1.0, 2)]
    assert {r.value for r in dalign.Run(run).results_by("level")} == {"7", "10", None}


def test_the_prompts_own_columns_are_keys_too(run: Path) -> None:
    [row] = dalign.Run(run).results_by("category")
    whole = dalign.Run(run).results().rows[0]
    assert (row.value, row.metric) == ("general", whole)


def test_the_command_prints_a_line_for_each(run: Path, dalign) -> None:
    code, out, _ = dalign("results", run, "--by", "type")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:5] == ["suite", "metric", "grader", "type", "arm"]
    assert [line[3] for line in lines[1:]] == ["figurative", "homonym", "-"]
    code, out, _ = dalign("results", run, "--by", "type", "--json")
    assert json.loads(out)[1]["metric"]["value"] == 0.5
    code, out, _ = dalign("results", run)
    assert code == 0 and "malformed" in out


def test_a_key_that_no_prompt_has_is_refused_with_those_that_there_are(run: Path, dalign) -> None:
    code, _, err = dalign("results", run, "--by", "typ")
    assert code == 1 and "--by typ: no prompt of a suite has this key; did you mean 'type'?" in err


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run has been started"):
        dalign.Run(tmp_path)
