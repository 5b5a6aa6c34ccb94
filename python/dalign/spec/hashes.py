"""Content hashes of a policy's units: line breaks and order change none of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dalign.spec.types import GENERAL, Category, Clause, Definition, Principles, Spec


def hashed(category: Category) -> Category:
    """The category with its units' hashes and its own: of the content, not of its order or line breaks."""
    definitions = _defined(category.name, category.definitions)
    clauses = tuple(replace(clause, sha256=_clause_hash(clause)) for clause in category.clauses)
    style = tuple(
        replace(guide, sha256=digest("style", category.name, guide.ruling, guide.text))
        for guide in category.style
    )
    summary = digest("summary", category.name, category.summary)
    units = sorted(
        [
            *(each.sha256 for each in definitions),
            *(each.sha256 for each in clauses),
            *(each.sha256 for each in style),
        ]
    )
    return replace(
        category,
        definitions=definitions,
        clauses=clauses,
        style=style,
        summary_sha256=summary,
        sha256=digest("category", category.name, summary, units),
    )


def with_hashes(principles: Principles) -> Principles:
    """The principles with their units' hashes."""
    sections = tuple(
        replace(section, sha256=digest("principle", section.title, section.text))
        for section in principles.sections
    )
    definitions = _defined("principles", principles.definitions)
    return replace(principles, sections=sections, definitions=definitions)


def principles_hash(principles: Principles) -> str:
    """The hash of what holds in every category."""
    units = [
        *(each.sha256 for each in principles.sections),
        *(each.sha256 for each in principles.definitions),
    ]
    return digest("principles", sorted(units))


def spec_hash(principles: Principles, categories: Sequence[Category]) -> str:
    """The hash of a whole policy."""
    hashes = sorted(category.sha256 for category in categories)
    return digest("spec", principles_hash(principles), hashes)


def shown_hash(principles: Principles, categories: Sequence[Category], shown: str | None) -> str:
    """The hash of spec(category): of all summaries, the principles, and of the category `shown` in detail.

    shown: the category's name; None for `general`, which has no detail.
    """
    summaries = sorted(category.summary_sha256 for category in categories)
    detail = [category.sha256 for category in categories if category.name == shown]
    return digest("shown", principles_hash(principles), summaries, detail)


def shown_hashes(spec: Spec) -> dict[str, str]:
    """The hash of spec(category) for each category and for `general`."""
    shown: list[tuple[str, str | None]] = [*((name, name) for name in spec.names), (GENERAL, None)]
    return {name: shown_hash(spec.principle, spec.categories, category) for name, category in shown}


def _defined(owner: str, definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    return tuple(
        replace(each, sha256=digest("definition", owner, each.term, each.text))
        for each in definitions
    )


def _clause_hash(clause: Clause) -> str:
    bullets = (clause.includes, clause.excludes, clause.allowed, clause.disallowed)
    return digest(
        clause.id,
        clause.ruling,
        clause.severity or "",
        clause.title,
        clause.text,
        *(sorted(texts) for texts in bullets),
    )


def digest(*parts: str | Iterable[object]) -> str:
    """The hash of texts and lists of texts, whatever their white space."""

    def normal(part: object) -> object:
        if isinstance(part, str):
            return " ".join(part.split())
        return [normal(each) for each in part] if isinstance(part, Iterable) else part

    content = json.dumps([normal(part) for part in parts], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
