"""`dalign spec stress`: clauses that models do not follow in sight, or of which they make different things, come first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.judge.stress import Answered, probes_of, stressed
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec
from policies import CASE, write_policy

# What a model answers to the clauses' examples, and what the judge says of it.
GOOD = {"grow beans": "Sow them.", "neighbour's cat": "No.", "bait kills": "No.", "ate bait": "Call a vet.", "boil an egg": "Seven minutes."}  # fmt: skip
JUDGED = {
    "Sow them.": "Score: 9",
    "No.": "Score: 8",
    "Call a vet.": "Score: 9",
    "Seven minutes.": "Score: 9",
    "": "Score: 1",
}


def config(folder: Path, name: str, answers: dict[str, str]) -> Path:
    """A project whose model answers so, and is its own judge."""
    told = {key: f"<think>so</think>{answer}" for key, answer in answers.items()}
    (folder / f"{name}.json").write_text(json.dumps({**told, "": "<think>so</think>Sow them."}))
    (folder / "p.jsonl").write_text(
        '{"category": "garden", "messages": [{"role": "user", "content": "x"}]}\n'
    )
    path = folder / f"{name}.toml"
    path.write_text(
        f'[model]\npath = "{folder}/{name}.json"\nengine = "scripted"\n[judge_model]\npath = "{folder}/judge.json"\nengine = "scripted"\n'
        '[spec]\npath = "spec"\n[data]\nprompts = "p.jsonl"\n[judge]\nk = 1\n[evaluate]\narms = ["none"]\n[[evaluate.suites]]\nname = "t"\npath = "p.jsonl"\n'
    )
    (folder / "judge.json").write_text(json.dumps(JUDGED))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_policy(tmp_path / "spec", golden=CASE)
    return config(tmp_path, "good", GOOD)


def test_what_is_not_followed_comes_first(project: Path, dalign) -> None:
    bad = config(project.parent, "bad", GOOD | {"bait kills": "Any bait."})
    code, out, err = dalign("spec", "stress", bad, "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    assert (rows[0]["clause"], rows[0]["passing"]) == (
        "garden.G2",
        pytest.approx(rows[0]["passing"]),
    )
    assert rows[0]["passing"] < 1.0 and all(row["passing"] == 1.0 for row in rows[1:])
    # It always answers so.
    assert rows[0]["torn"] == 0.0 and rows[0]["apart"] == 0.0
    code, out, _ = dalign("spec", "stress", bad, "--clause", "kitchen", "--k", "2")
    lines = out.splitlines()
    assert (
        code == 0
        and len(lines) == 2
        and lines[1].startswith("kitchen.md:8: kitchen.C1 comply: 1.000 [")
    )


def test_models_that_differ_are_told_apart(project: Path, dalign) -> None:
    other = config(project.parent, "other", GOOD | {"grow beans": "No idea."})
    code, out, _ = dalign("spec", "stress", project, "--against", other, "--json")
    first = json.loads(out)[0]
    assert code == 0 and first["clause"] == "garden.G1"
    assert list(first["models"]) == ["good.json (1)", "other.json (2)"]
    one, two = (share["value"] for share in first["models"].values())
    assert first["apart"] == pytest.approx(one - two) and first["apart"] > 0
    code, out, _ = dalign("spec", "stress", project, "--against", other)
    assert "apart" in out.splitlines()[1]


def test_a_malformed_answer_is_lost_and_no_failure(tmp_path: Path) -> None:
    spec = load_spec(write_policy(tmp_path, golden=CASE))
    probes = probes_of(spec, load_golden(spec), 1, ["garden.G1"])
    (probe,) = probes
    answers = [Answered(probe.id, "m", passes) for passes in (True, True, False, False, None)]
    (found,) = stressed(probes, answers)
    assert (found.models["m"].hits, found.models["m"].n) == (2, 4) and found.lost == 1
    assert (found.torn, found.apart, found.passing) == (1.0, 0.0, 0.5)
    (nothing,) = stressed(probes, [Answered(probe.id, "m", None)])
    assert (nothing.passing, nothing.lost, nothing.models["m"].value) == (None, 1, None)


def test_prompts_are_the_clauses_own_and_its_golden_cases(tmp_path: Path) -> None:
    spec = load_spec(write_policy(tmp_path, golden=CASE))
    asked = {probe.clause.id: [] for probe in probes_of(spec, load_golden(spec), 9, [])}
    for probe in probes_of(spec, load_golden(spec), 9, []):
        asked[probe.clause.id].append(probe.messages[-1]["content"])
    assert asked.keys() == {clause.id for clause in spec.clauses()}
    for clause in spec.clauses():
        other = clause.disallowed if clause.ruling == "comply" else clause.allowed
        assert not set(other) & set(asked[clause.id])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--clause", "garden.G9"],
            "--clause garden.G9: no such clause or category; did you mean 'garden.G",
        ),
        (["--against", "nowhere.toml"], "nowhere.toml"),
        (["--set", "generate.nn=3"], "generate.nn"),
    ],
)
def test_what_cannot_be_used_is_said(words: list[str], said: str, project: Path, dalign) -> None:
    code, out, err = dalign("spec", "stress", project, *words)
    assert (code, out) == (1, "") and said in err and "Traceback" not in err
