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
        ("kills an animal", "harms an animal", "definitions", ["garden.definitions.poison"], "patch"),
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
