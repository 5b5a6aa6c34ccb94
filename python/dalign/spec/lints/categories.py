"""What a category lacks, summaries that say nearly the same, and versions of which no changelog tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, pairwise

from dalign.spec.findings import Finding, finding_at
from dalign.spec.principles import FILE
from dalign.spec.types import RULINGS, Category, Place, Principles, Spec

# Share of pairs of neighbouring words that two summaries have in common.
THRESHOLD = 0.4
_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")


def incomplete_clauses(spec: Spec) -> Iterator[Finding]:
    """Kinds `empty-clause` and `no-example`."""
    for clause in spec.clauses():
        if not clause.text:
            text = f"clause {clause.key} says nothing but its title; write when it applies and what follows"
            yield finding_at(spec, clause.place, "empty-clause", text, clause.id)
        sides = (("allowed", clause.allowed), ("disallowed", clause.disallowed))
        if missing := [label for label, found in sides if not found]:
            what = " and no ".join(f"{label!r}" for label in missing)
            text = f"clause {clause.key} has no {what} example; add '- {missing[0]}: \"…\"', a prompt just on that side of the line"
            yield finding_at(spec, clause.place, "no-example", text, clause.id)


def missing_guides(spec: Spec) -> Iterator[Finding]:
    """Kind `no-style`."""
    for category in spec.categories:
        guided = {guide.ruling for guide in category.style if guide.text}
        for ruling in RULINGS:
            first = next((clause for clause in category.clauses if clause.ruling == ruling), None)
            if first is not None and ruling not in guided:
                text = f"clause {first.key} rules {ruling!r}, and the category has no style guide for that; add '### {ruling}' below '## Style'"
                yield finding_at(spec, first.place, "no-style", text, first.id)


def similar_summaries(spec: Spec) -> Iterator[Finding]:
    """Kind `similar-summaries`: nobody could tell where a prompt belongs."""
    pairs_of = {category.name: _pairs(category.summary) for category in spec.categories}
    for one, two in combinations(spec.categories, 2):
        left, right = pairs_of[one.name], pairs_of[two.name]
        shared = len(left & right) / len(left | right) if left | right else 0.0
        if shared >= THRESHOLD:
            text = f"the summary of '{two.name}' is nearly that of '{one.name}' ({shared:.0%} of its pairs of words); say what sets the two apart"
            yield finding_at(spec, two.front.get("summary", two.place), "similar-summaries", text)


def _pairs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(pairwise(words)) or {tuple(words)} - {()}


def versions(spec: Spec) -> Iterator[Finding]:
    """Kinds `version` and `changelog`."""
    owners: list[Principles | Category] = [spec.principle, *spec.categories]
    for owner in owners:
        if not owner.version:
            continue
        place = owner.front.get("version")
        if place and not _SEMANTIC.fullmatch(owner.version):
            text = f"version {owner.version!r} is not of the form MAJOR.MINOR.PATCH; write one such as '1.0.0'"
            yield finding_at(spec, place, "version", text)
        if owner.version not in {change.version for change in owner.changelog}:
            text = f"the changelog does not tell of version {owner.version}; add '- {owner.version}: what changed' below '## Changelog'"
            start = owner.place if isinstance(owner, Category) else Place(FILE, 1, 0, 0)
            yield finding_at(spec, place or start, "changelog", text)
