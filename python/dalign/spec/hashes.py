"""Content hashes of a policy's units: line breaks and order change none of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from dalign.spec.types import GENERAL, Category, Clause, Definition, Principles, Spec


def hashed(category: Category) -> Category:
    """The category with its units' hashes and its own: of the content, not of its order or line breaks."""
    name = category.name
    definitions = _defined(name, category.definitions)
    clauses = tuple(replace(clause, sha256=_clause_hash(clause)) for clause in category.clauses)
    style = tuple(
        replace(guide, sha256=_digest("style", name, guide.ruling, guide.text))
        for guide in category.style
    )
    summary = _digest("summary", name, category.summary)
    units = sorted(each.sha256 for part in (definitions, clauses, style) for each in part)
    return replace(
        category,
        definitions=definitions,
        clauses=clauses,
        style=style,
        summary_sha256=summary,
        sha256=_digest("category", name, summary, units),
    )


def with_hashes(principles: Principles) -> Principles:
    """The principles with their units' hashes."""
    sections = tuple(
        replace(section, sha256=_digest("principle", section.title, section.text))
        for section in principles.sections
    )
    definitions = _defined("principles", principles.definitions)
    return replace(principles, sections=sections, definitions=definitions)


def spec_hash(principles: Principles, categories: Sequence[Category]) -> str:
    """The hash of a whole policy."""
    return _digest("spec", _shared(principles), sorted(each.sha256 for each in categories))


def shown_hashes(spec: Spec) -> dict[str, str]:
    """The hash of spec(category) for each category and for `general`: of all summaries, the principles, and the one in detail."""
    shared = _shared(spec.principle)
    summaries = sorted(category.summary_sha256 for category in spec.categories)
    details = {category.name: _in_detail(spec, category) for category in spec.categories}
    details |= {GENERAL: []}
    return {name: _digest("shown", shared, summaries, detail) for name, detail in details.items()}


def _in_detail(spec: Spec, category: Category) -> list[str]:
    """The hash of a category, and how clauses of others rule that its examples name."""
    rulings = {
        clause.id: clause.ruling for clause in spec.clauses() if clause.category != category.name
    }
    named = {clause_id for clause in category.clauses for _, clause_id in clause.ruled}
    return [
        category.sha256,
        *(f"{name} {rulings[name]}" for name in sorted(named & rulings.keys())),
    ]


def _shared(principles: Principles) -> str:
    """The hash of what holds in every category."""
    units = [each.sha256 for each in principles.sections]
    return _digest("principles", sorted([*units, *(e.sha256 for e in principles.definitions)]))


def _defined(owner: str, definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    return tuple(
        replace(each, sha256=_digest("definition", owner, each.term, each.text))
        for each in definitions
    )


def _clause_hash(clause: Clause) -> str:
    bullets = (clause.includes, clause.excludes, clause.allowed, clause.disallowed)
    said = (clause.ruling, clause.severity or "", clause.title, clause.text)
    # Most have none: the hash is then what it was before examples could name a clause.
    ruled = [[text for pair in sorted(clause.ruled) for text in pair]] if clause.ruled else []
    return _digest(clause.id, *said, *(sorted(texts) for texts in bullets), *ruled)


def _digest(*parts: str | list[str]) -> str:
    """The hash of texts and lists of texts, whatever their white space."""

    def normal(text: str) -> str:
        return " ".join(text.split())

    content = [normal(part) if isinstance(part, str) else [*map(normal, part)] for part in parts]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
