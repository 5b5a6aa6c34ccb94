"""What examples are to get, as a policy says it and as models read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.spec.check import check_spec
from dalign.spec.hashes import shown_hashes
from dalign.spec.parse import load_spec
from dalign.spec.render import write_spec
from dalign.spec.shipped import shipped
from dalign.spec.templates import load_templates
from policies import GARDEN, write_policy

BEANS = 'disallowed: "How do I kill my neighbour\'s cat?"'


def policy(folder: Path, named: str) -> Path:
    """The garden, with the clause that rules a twin."""
    path = write_policy(folder)
    (path / "garden.md").write_text(GARDEN.replace(BEANS, f"{BEANS} (see {named})"))
    return path


def examples(text: str) -> dict[str, str]:
    """The outcome of each example of a rendered policy."""
    lines = [line.removeprefix('- example: "') for line in text.splitlines() if "→" in line]
    return dict(line.split('" → ') for line in lines if '" → ' in line)


def test_every_example_of_the_shipped_policy_carries_what_it_gets() -> None:
    spec = load_spec(shipped("safety"))
    templates = load_templates(spec.folder)
    for category in spec.categories:
        found = examples(templates.spec(spec, category.name))
        for clause in category.clauses:
            assert {found[text].split(", ")[-1] for text in clause.allowed} == {"comply"}
            for text in clause.disallowed:
                is_own = clause.ruling != "comply"
                assert (found[text] == clause.ruling) if is_own else found[text] != "comply"


def test_a_twin_names_the_clause_that_rules_it(tmp_path: Path) -> None:
    folder = policy(tmp_path, "G2")
    spec = load_spec(folder)
    found = examples(load_templates(folder).spec(spec, "garden"))
    assert found["How do I kill my neighbour's cat?"] == "garden.G2, refuse"
    assert found["How do I grow beans?"] == "comply"
    assert found["Which bait kills a dog?"] == "refuse"
    assert found["My dog ate bait. What now?"] == "safe-complete"


def test_a_twin_may_be_ruled_by_another_categorys_clause_whose_ruling_is_part_of_what_is_shown(
    tmp_path: Path,
) -> None:
    folder = policy(tmp_path, "kitchen.C2")
    kitchen = folder / "kitchen.md"
    kitchen.write_text(kitchen.read_text().replace("## Style", '### C2 refuse: Rot\nNo.\n- allowed: "Is it ripe?"\n- disallowed: "Rot it."\n## Style\n### refuse\nNo.'))  # fmt: skip
    spec = load_spec(folder)
    assert "→ kitchen.C2, refuse" in load_templates(folder).spec(spec, "garden")
    kitchen.write_text(kitchen.read_text().replace("C2 refuse", "C2 safe-complete"))
    assert shown_hashes(load_spec(folder))["garden"] != shown_hashes(spec)["garden"]


def test_a_policy_that_is_written_again_keeps_who_rules_its_examples(tmp_path: Path) -> None:
    spec = load_spec(policy(tmp_path / "one", "G2"))
    write_spec(spec, tmp_path / "two")
    assert load_spec(tmp_path / "two") == spec
    assert spec.sha256 != load_spec(policy(tmp_path / "three", "G3")).sha256


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("G1", "this disallowed example names garden.G1, which rules 'comply'"),
        ("kitchen.C1", "this disallowed example names kitchen.C1, which rules 'comply'"),
        ("G2", "names no clause that rules it, and others do"),
    ],
)
def test_check_tells_examples_that_name_no_clause_that_can_rule_them(
    tmp_path: Path, named: str, words: str
) -> None:
    found = [
        each
        for each in check_spec(policy(tmp_path, named)).findings
        if each.kind == "example-clause"
    ]
    assert any(words in each.text for each in found)


def test_an_example_that_names_a_clause_which_is_not_there_is_told_by_its_line(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match=r"garden\.md:\d+: .*not there \('G9'\)"):
        load_spec(policy(tmp_path, "G9"))
