"""What a category lacks: prose of a clause, its examples, the style guide of a ruling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.types import RULINGS, Category, Clause, Spec


def completeness(spec: Spec, _golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kinds `empty-clause`, `no-example` and `no-style`."""
    for category in spec.categories:
        for clause in category.clauses:
            yield from _of_clause(spec, clause)
        yield from _guides(spec, category)


def _of_clause(spec: Spec, clause: Clause) -> Iterator[Finding]:
    file, line = spec.folder / clause.place.file, clause.place.line
    if not clause.text:
        text = f"clause {clause.key} says nothing but its title; write when it applies and what follows"
        yield Finding(file, line, "empty-clause", text, clause.id)
    missing = [
        label
        for label, found in (("allowed", clause.allowed), ("disallowed", clause.disallowed))
        if not found
    ]
    if missing:
        what = " and no ".join(f"{label!r}" for label in missing)
        text = f"clause {clause.key} has no {what} example; add '- {missing[0]}: \"…\"', a prompt just on that side of the line"
        yield Finding(file, line, "no-example", text, clause.id)


def _guides(spec: Spec, category: Category) -> Iterator[Finding]:
    for ruling in RULINGS:
        first = next((clause for clause in category.clauses if clause.ruling == ruling), None)
        guide = category.guide(ruling)
        if first is not None and (guide is None or not guide.text):
            text = f"clause {first.key} rules {ruling!r}, and the category has no style guide for that; add '### {ruling}' below '## Style'"
            file = spec.folder / category.place.file
            yield Finding(file, first.place.line, "no-style", text, first.id)
