"""What changed between two policies, unit by unit."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.spec.diff import Diff, diff_specs, suggested_step
from dalign.spec.parse import load_spec
from policies import GARDEN, PRINCIPLES, write_policy

NEW_CLAUSE = '### G4 refuse: Fire\nNo fires.\n\n- allowed: "How do I put out a fire?"\n- disallowed: "How do I burn the hedge?"\n\n## Style'


def diff(tmp_path: Path, **files: str) -> Diff:
    old, new = write_policy(tmp_path / "old"), write_policy(tmp_path / "new", **files)
    return diff_specs(load_spec(old), load_spec(new))


def test_nothing_changed(tmp_path: Path) -> None:
    found = diff(tmp_path, garden=GARDEN.replace("1.2.0", "1.2.1").replace("Name the vet", "Name\nthe vet"))  # fmt: skip
    assert found.is_empty
    assert suggested_step(found) == ""
    assert found.versions == {"garden": ("1.2.0", "1.2.1")}


@pytest.mark.parametrize(
    ("before", "after", "where", "ids", "step"),
    [
        ("Name the vet first", "Name a vet first", "reworded", ["garden.G3"], "patch"),
        ("G3 safe-complete", "G3 refuse", "ruling_changed", ["garden.G3"], "major"),
        ("## Style", NEW_CLAUSE, "added", ["garden.G4"], "minor"),
        ("kills an animal", "harms an animal", "definitions", ["garden.definitions.poison"], "minor"),
        ("One sentence", "Two sentences", "style", ["garden.style.refuse"], "patch"),
        ("Plants, soil", "Plants, earth", "summaries", ["garden.summary"], "patch"),
    ],
)  # fmt: skip
def test_a_change_stands_in_its_list_alone(
    tmp_path: Path, before: str, after: str, where: str, ids: list[str], step: str
) -> None:
    assert GARDEN.count(before) >= 1
    found = diff(tmp_path, garden=GARDEN.replace(before, after, 1))
    lists = ("added", "removed", "reworded", "ruling_changed", "definitions", "style", "summaries", "principles")  # fmt: skip
    assert {name: getattr(found, name) for name in lists if getattr(found, name)} == {where: ids}
    assert suggested_step(found) == step


def test_a_clause_that_is_gone_and_one_with_another_id(tmp_path: Path) -> None:
    found = diff(tmp_path, garden=GARDEN.replace("### G3 ", "### G5 "))
    assert (found.removed, found.added) == (["garden.G3"], ["garden.G5"])
    assert suggested_step(found) == "major"


def test_principles_are_units_too(tmp_path: Path) -> None:
    found = diff(tmp_path, principles=PRINCIPLES.replace("Help, and", "Assist, and"))
    assert found.principles == ["principles.helpfulness"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("No *poison* is named", "*Poison* is named", ["-no"]),
        ("A reason changes nothing.", "A reason changes nothing, unless it is a pest.", ["+unless"]),
        ("A reason changes nothing.", "A reason changes the ruling.", ["-nothing", "+ruling"]),
        ("Name the vet first.", "The vet may be named first.", ["+may"]),
        ("Name the vet first.", "Don't name the vet first.", ["+don't"]),
        ("Warm and plain.", "Warm or plain.", ["-and", "+or"]),
        ("what kills an animal", "what kills a wild animal", ["+wild"]),
        ("poisons for animals are refused", "poisons for animals are not refused", ["+not"]),
        ("- severity: high\n", "", ["-severity", "-high"]),
        ('allowed: "Which plants are bad for dogs?"\n- disallowed', 'disallowed: "Which plants are bad for dogs?"\n- allowed', ["+disallowed"]),
    ],
)  # fmt: skip
def test_words_that_can_change_a_ruling_ask_for_more_than_a_patch(
    tmp_path: Path, before: str, after: str, words: list[str]
) -> None:
    assert GARDEN.count(before) == 1
    found = diff(tmp_path, garden=GARDEN.replace(before, after))
    (told,) = found.telling.values()
    assert set(words) <= set(told)
    assert suggested_step(found) == "minor"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Name the vet first.", "Name a vet first."),
        ("A reason changes nothing.", "A reasn changes nothing."),
        ("Warm and plain.", "Kind and plain."),
        ("Plants, soil and tools", "Plants, earth and tools"),
        ("Growing things", "Growing plants"),
    ],
)
def test_wording_that_rules_nothing_is_a_patch(tmp_path: Path, before: str, after: str) -> None:
    found = diff(tmp_path, garden=GARDEN.replace(before, after))
    assert (found.telling, suggested_step(found)) == ({}, "patch")


def test_a_definition_that_comes_or_a_principle_that_goes_is_more_than_a_patch(
    tmp_path: Path,
) -> None:
    found = diff(tmp_path, garden=GARDEN.replace("## Clauses", "- **bird**: an animal that sings\n\n## Clauses"))  # fmt: skip
    assert found.definitions == ["garden.definitions.bird"]
    assert suggested_step(found) == "minor"
    found = diff(tmp_path, principles=PRINCIPLES.replace("Help, and never", "Help, and always"))
    assert found.telling == {"principles.helpfulness": ["-never", "+always"]}
    assert suggested_step(found) == "minor"


def test_the_words_of_every_unit_are_shown(dalign, tmp_path: Path) -> None:
    old = write_policy(tmp_path / "old")
    garden = GARDEN.replace("kills an animal", "harms an animal").replace("One sentence", "Two sentences")  # fmt: skip
    new = write_policy(tmp_path / "new", garden=garden.replace("soil", "earth"), principles=PRINCIPLES.replace("Help, and", "Assist, and"))  # fmt: skip
    code, out, _ = dalign("spec", "diff", str(old), str(new))
    assert code == 0
    for said in ("[-kills-] {+harms+}", "[-One sentence.-] {+Two sentences.+}", "[-soil-] {+earth+}", "[-Help,-] {+Assist,+}"):  # fmt: skip
        assert said in out
    assert "garden.definitions.poison may rule otherwise by: -kills +harms" in out
    assert "asks for a new minor version" in out
