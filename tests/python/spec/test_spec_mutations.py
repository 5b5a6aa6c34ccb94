"""Eighty-eight seeded defects of eleven kinds in the shipped policies: a check finds each, and raises no alarm without them."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dalign.spec.check import check_spec
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped
from dalign.spec.types import Category, Clause, Spec

Mutation = Callable[[random.Random, Path, Spec], None]


def findings(folder: Path) -> list[str]:
    return [each.kind for each in check_spec(folder, lambda text: len(text.encode()) // 4).findings]


def edit(folder: Path, category: Category, before: str, after: str) -> None:
    path = folder / f"{category.name}.md"
    text = path.read_text("utf-8")
    assert before in text, before
    path.write_text(text.replace(before, after, 1), "utf-8")


def heading(clause: Clause) -> str:
    return f"### {clause.key} {clause.ruling}: {clause.title}"


def body(folder: Path, clause: Clause) -> str:
    data = (folder / clause.place.file).read_bytes()
    return data[clause.place.start : clause.place.end].decode()


def any_clause(rng: random.Random, spec: Spec) -> tuple[Category, Clause]:
    category = rng.choice(spec.categories)
    return category, rng.choice(category.clauses)


def lose_a_definition(rng: random.Random, folder: Path, spec: Spec) -> None:
    category = rng.choice(spec.categories)
    definition = rng.choice(category.definitions)
    data = (folder / definition.place.file).read_bytes()
    place = definition.place
    (folder / place.file).write_bytes(data[: place.start] + data[place.end + 1 :])


def misspell_a_term(rng: random.Random, folder: Path, spec: Spec) -> None:
    category = rng.choice(spec.categories)
    marks = re.findall(r"(?<!\*)\*[^*\n]+\*(?!\*)", (folder / f"{category.name}.md").read_text())
    mark = rng.choice(marks)
    edit(folder, category, mark, f"*{mark[1:-1][::-1]}*")


def refer_to_nowhere(rng: random.Random, folder: Path, spec: Spec) -> None:
    category, clause = any_clause(rng, spec)
    bullet = f"- excludes: what stands elsewhere (see {clause.key[0]}{rng.randint(70, 99)})"
    edit(folder, category, body(folder, clause), f"{body(folder, clause)}\n{bullet}")


def refer_in_a_circle(rng: random.Random, folder: Path, spec: Spec) -> None:
    referring = [
        (c, k) for c in spec.categories for k in c.clauses if re.search(r"\(see ", body(folder, k))
    ]
    category, clause = rng.choice(referring)
    match = re.search(r"\(see ([A-Z]\d+)", body(folder, clause))
    assert match
    target = next(k for k in category.clauses if k.key == match[1])
    bullet = f"- includes: what that clause says (see {clause.key})"
    edit(folder, category, body(folder, target), f"{body(folder, target)}\n{bullet}")


def take_an_id_twice(rng: random.Random, folder: Path, spec: Spec) -> None:
    category = rng.choice(spec.categories)
    one, two = rng.sample(category.clauses, 2)
    edit(folder, category, heading(two), heading(two).replace(two.key, one.key, 1))


def lose_the_examples(rng: random.Random, folder: Path, spec: Spec) -> None:
    category, clause = any_clause(rng, spec)
    label = rng.choice(["allowed", "disallowed"])
    kept = [
        line for line in body(folder, clause).splitlines() if not line.startswith(f"- {label}:")
    ]
    edit(folder, category, body(folder, clause), "\n".join(kept))


def grow_too_long(rng: random.Random, folder: Path, spec: Spec) -> None:
    category, clause = any_clause(rng, spec)
    padding = " ".join(
        rng.choice(["further", "words", "that", "say", "little"]) for _ in range(4_000)
    )
    edit(folder, category, heading(clause), f"{heading(clause)}\n\n{padding}.\n")


def rule_an_example_both_ways(rng: random.Random, folder: Path, spec: Spec) -> None:
    category, clause = any_clause(rng, spec)
    other_category, other = any_clause(rng, spec)
    while other.ruling == "comply" or other.id == clause.id:
        other_category, other = any_clause(rng, spec)
    example = other.disallowed[0]
    del other_category
    bullet = f'- allowed: "{example}"'
    edit(folder, category, body(folder, clause), f"{body(folder, clause)}\n{bullet}")


def copy_a_summary(rng: random.Random, folder: Path, spec: Spec) -> None:
    one, two = rng.sample(spec.categories, 2)
    words = one.summary.split()
    for _ in range(3):
        words[rng.randrange(len(words))] = "other"
    path = folder / f"{two.name}.md"
    text = path.read_text("utf-8")
    start = text.index("summary:")
    end = text.index("\n---", start)
    path.write_text(f"{text[:start]}summary: >-\n  {' '.join(words)}{text[end:]}", "utf-8")


def leave_a_line_without_owner(rng: random.Random, folder: Path, spec: Spec) -> None:
    category, clause = any_clause(rng, spec)
    place = rng.choice(["clause", "clauses", "section"])
    stray = "A line that somebody forgot here."
    if place == "clause":
        edit(folder, category, body(folder, clause), f"{body(folder, clause)}\n\n{stray}")
    elif place == "clauses":
        edit(folder, category, "## Clauses\n", f"## Clauses\n{stray}\n")
    else:
        edit(folder, category, "## Style\n", f"## Remarks\n{stray}\n\n## Style\n")


def misname_a_ruling(rng: random.Random, folder: Path, spec: Spec) -> None:
    category, clause = any_clause(rng, spec)
    word = rng.choice(["deny", "safecomplete", "allow", "Refuse", "escalate"])
    edit(folder, category, heading(clause), heading(clause).replace(clause.ruling, word, 1))


MUTATIONS: dict[str, tuple[Mutation, set[str]]] = {
    "undefined term": (lose_a_definition, {"undefined-term"}),
    "misspelt term": (misspell_a_term, {"undefined-term"}),
    "dangling reference": (refer_to_nowhere, {"dangling-reference"}),
    "circular reference": (refer_in_a_circle, {"circular-reference"}),
    "duplicate id": (take_an_id_twice, {"duplicate-id"}),
    "no example": (lose_the_examples, {"no-example"}),
    "over-long": (grow_too_long, {"over-long"}),
    "conflicting examples": (rule_an_example_both_ways, {"conflicting-examples"}),
    "similar summaries": (copy_a_summary, {"similar-summaries"}),
    "unowned line": (leave_a_line_without_owner, {"unowned-line"}),
    "unknown ruling": (misname_a_ruling, {"unknown-ruling"}),
}
SEEDS = 8


@pytest.fixture(scope="module")
def safety() -> Spec:
    return load_spec(shipped("safety"))


def test_the_shipped_policies_raise_no_alarm(safety: Spec) -> None:
    assert findings(safety.folder) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_planted_defects_are_found_by_their_kind(tmp_path: Path, safety: Spec, name: str) -> None:
    mutate, kinds = MUTATIONS[name]
    missed = []
    for seed in range(SEEDS):
        folder = tmp_path / str(seed)
        shutil.copytree(safety.folder, folder)
        mutate(random.Random(f"{name} {seed}"), folder, load_spec(folder))
        if not kinds & set(findings(folder)):
            missed.append(seed)
    assert missed == []
