"""What an example of a policy is to get: a ruling, and the clause that gives it where that is another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from dalign.spec.types import Category, Clause, Ruling

# What a comply clause's counter-example gets that names no clause.
UNNAMED = "not comply: another clause rules it"


class Example(TypedDict):
    """An example as a template shows it."""

    text: str
    outcome: str


def examples_of(categories: Sequence[Category], shown: Category | None) -> dict[str, list[Example]]:
    """The examples of a category's clauses, by the clauses' ids; the allowed ones come first."""
    rulings = {clause.id: clause.ruling for each in categories for clause in each.clauses}
    clauses = shown.clauses if shown else ()
    return {clause.id: list(_examples(clause, rulings)) for clause in clauses}


def _examples(clause: Clause, rulings: Mapping[str, Ruling]) -> Iterator[Example]:
    named = dict(clause.ruled)
    beyond = UNNAMED if clause.ruling == "comply" else clause.ruling
    for texts, usual in ((clause.allowed, "comply"), (clause.disallowed, beyond)):
        for text in texts:
            by = named.get(text)
            outcome = usual if by is None or by not in rulings else f"{by}, {rulings[by]}"
            yield Example(text=text, outcome=outcome)
