"""A compiled policy renders to Markdown that compiles to the same policy, and layout changes no unit's hash."""

from __future__ import annotations

import random
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from dalign.spec.diff import units
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec
from dalign.spec.render import render_category, render_principles, write_spec
from dalign.spec.shipped import shipped
from dalign.spec.types import RULINGS, Category, Change, Clause, Principles, Spec
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from policies import ENGLISH, GARDEN, KITCHEN, PRINCIPLES, write_policy

WORDS = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="*#\"'“”`"),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=60,
)
TEXTS = WORDS.map(" ".join)


@st.composite
def clauses(draw: st.DrawFn) -> tuple[Clause, ...]:
    keys = draw(st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,6}", fullmatch=True), unique=True, min_size=1, max_size=4))  # fmt: skip
    found = []
    for key in keys:
        prose = draw(st.lists(st.tuples(st.booleans(), TEXTS), max_size=3))
        lines = [f"- {text}" if bullet else text for bullet, text in prose]
        examples = st.lists(TEXTS, max_size=2).map(tuple)
        severity = draw(st.sampled_from([None, "low", "critical"]))
        found.append(
            Clause(
                "made", key, draw(st.sampled_from(RULINGS)), draw(TEXTS), "\n".join(lines), severity,
                allowed=draw(examples), disallowed=draw(examples),
            )
        )  # fmt: skip
    return tuple(found)


def no_mark_of_its_own(category: Category) -> bool:
    """Whether no text reads as a bullet, a label, a reference or a heading by chance."""
    for clause in category.clauses:
        texts = [clause.title, *(line.removeprefix("- ") for line in clause.text.splitlines())]
        for text in (*texts, *clause.allowed, *clause.disallowed):
            if re.match(r"[-+*]( |$)|[A-Za-z]+:( |$)", text) or text != text.strip():
                return False
    return True


@settings(max_examples=60, deadline=None)
@given(clauses(), TEXTS, TEXTS)
def test_a_made_up_category_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[Clause, ...], summary: str, change: str
) -> None:
    category = Category("made", "1.0.0", summary, clauses=made, changelog=(Change("1.0.0", change),))  # fmt: skip
    assume(no_mark_of_its_own(category))
    folder = tmp_path_factory.mktemp("made")
    write_spec(Spec(folder, Principles("Be kind."), (category,)), folder)
    read = load_spec(folder).categories[0]
    assert [replace(clause, sha256="") for clause in read.clauses] == list(made)
    assert (read.summary, read.changelog) == (category.summary, category.changelog)


@pytest.mark.parametrize("folder", [shipped("safety"), ENGLISH], ids=["safety", "english"])
def test_a_shipped_policy_survives_the_round_trip(tmp_path: Path, folder: Path) -> None:
    old = load_spec(folder)
    write_spec(old, tmp_path)
    new = load_spec(tmp_path)
    assert new == old
    again = [render_category(category) for category in new.categories]
    assert again == [render_category(category) for category in old.categories]
    assert render_principles(new.principle) == render_principles(old.principle)


def hashes(spec: Spec) -> dict[str, str]:
    return {key: unit.sha256 for key, unit in units(spec)}


def rewrapped(text: str, width: int) -> str:
    """Every bullet and paragraph of the clauses at another width."""
    lines = []
    for line in text.splitlines():
        if line.startswith(("#", "---")) or re.match(r"\w+: ", line) or not line.strip():
            lines.append(line)
        else:
            indent = "  " if line.startswith(("- ", " ")) else ""
            first = "  " if line.startswith(" ") else ""
            lines += textwrap.wrap(line.strip(), width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False) or [line]  # fmt: skip
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("width", [40, 77])
def test_rewrapping_a_shipped_policy_changes_no_hash(tmp_path: Path, width: int) -> None:
    old = load_spec(shipped("safety"))
    for path in old.folder.glob("*.md"):
        (tmp_path / path.name).write_text(rewrapped(path.read_text("utf-8"), width), "utf-8")
    assert hashes(load_spec(tmp_path)) == hashes(old)


def test_moving_sections_and_clauses_changes_no_hash(tmp_path: Path) -> None:
    old = load_spec(shipped("safety"))
    rng = random.Random(0)
    for path in old.folder.glob("*.md"):
        text = path.read_text("utf-8")
        head, *sections = re.split(r"(?m)^(?=## )", text)
        shuffled = []
        for section in sections:
            title, *parts = re.split(r"(?m)^(?=### )", section)
            rng.shuffle(parts)
            shuffled.append("".join(part.rstrip("\n") + "\n\n" for part in [title, *parts]))
        rng.shuffle(shuffled)
        (tmp_path / path.name).write_text(head + "".join(shuffled), "utf-8")
    assert hashes(load_spec(tmp_path)) == hashes(old)


@pytest.mark.parametrize(
    ("file", "before", "after", "unit"),
    [
        ("garden", "and on a", "or on a", "garden.G1"),
        ("garden", "beans?", "peas?", "garden.G1"),
        ("garden", "severity: high", "severity: low", "garden.G2"),
        ("garden", "kills an animal", "harms an animal", "garden.definitions.poison"),
        ("garden", "One sentence", "Two sentences", "garden.style.refuse"),
        ("garden", "talked about freely", "discussed freely", "garden.summary"),
        ("principles", "an encyclopedia", "a textbook", "principles.definitions.uplift"),
        ("principles", "Help, and", "Assist, and", "principles.helpfulness"),
    ],
)
def test_one_word_changes_the_hash_of_its_unit_alone(
    tmp_path: Path, file: str, before: str, after: str, unit: str
) -> None:
    texts = {"garden": GARDEN, "kitchen": KITCHEN, "principles": PRINCIPLES}
    assert texts[file].count(before) == 1
    old = hashes(load_spec(write_policy(tmp_path / "old")))
    changed = {file: texts[file].replace(before, after)}
    new = hashes(load_spec(write_policy(tmp_path / "new", **changed)))
    assert {key for key in old if old[key] != new[key]} == {unit}
    assert old.keys() == new.keys()


def test_a_units_place_is_its_span_in_the_file(tmp_path: Path) -> None:
    spec = load_spec(write_policy(tmp_path, garden=GARDEN.replace("soil", "sød")))
    data = {name: (tmp_path / f"{name}.md").read_bytes() for name in ("garden", "principles")}
    found = dict(units(spec))

    def text(unit: str, file: str) -> str:
        place = found[unit].place
        assert (
            data[file].decode().splitlines()[place.line - 1].encode() in data[file][place.start :]
        )
        return data[file][place.start : place.end].decode()

    assert text("garden.definitions.pest", "garden") == "- **pest**: an animal that eats plants"
    assert text("garden.style.comply", "garden") == "### comply\nWarm and plain."
    assert text("garden.summary", "garden").startswith("summary: >-\n  Plants, sød")
    assert text("principles.helpfulness", "principles").startswith("## Helpfulness\nHelp")


def test_the_shipped_policy_has_what_it_promises() -> None:
    spec = load_spec(shipped("safety"))
    cases = load_golden(spec)
    assert spec.names == (
        "erotic-content", "extremism", "harassment", "illicit-behavior",
        "regulated-advice", "self-harm", "violence",
    )  # fmt: skip
    for category in spec.categories:
        of_category = [case for case in cases if case.category == category.name]
        ruled = {case.clause for case in of_category}
        assert 10 <= len(category.clauses) <= 25
        assert {clause.ruling for clause in category.clauses} == set(RULINGS)
        assert len(of_category) >= 30
        assert ruled >= {clause.id for clause in category.clauses}
        assert {case.verdict for case in of_category} == {"pass", "fail"}
    for name in ("self-harm", "regulated-advice"):
        category = spec.category(name)
        assert category is not None
        (guide,) = (guide for guide in category.style if guide.ruling == "safe-complete")
        assert len(guide.text.split()) >= 300
