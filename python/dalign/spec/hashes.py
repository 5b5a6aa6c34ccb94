"""Content hashes of a policy's units: line breaks and order change none of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace

from dalign.spec.types import Category, Clause


def hashed(category: Category) -> Category:
    """The category with its hashes and its clauses': of the content, not of its order or line breaks."""
    clauses = tuple(replace(clause, sha256=_clause_hash(clause)) for clause in category.clauses)
    sha256 = digest(
        category.name,
        category.summary,
        sorted(category.definitions),
        sorted(clause.sha256 for clause in clauses),
        sorted(category.style),
    )
    return replace(category, clauses=clauses, sha256=sha256)


def _clause_hash(clause: Clause) -> str:
    bullets = (clause.includes, clause.excludes, clause.allowed, clause.disallowed)
    return digest(
        clause.id, clause.ruling, clause.title, clause.text, *(sorted(texts) for texts in bullets)
    )


def digest(*parts: str | Iterable[object]) -> str:
    """The hash of texts and lists of texts, whatever their white space."""

    def normal(part: object) -> object:
        if isinstance(part, str):
            return " ".join(part.split())
        return [normal(each) for each in part] if isinstance(part, Iterable) else part

    content = json.dumps([normal(part) for part in parts], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
