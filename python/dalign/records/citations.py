"""Which clauses a text cites: by their full id anywhere, by their bare key in a row of their category."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dalign.data.patterns import Patterns, cited_by
from dalign.spec.types import Spec
from dalign.text import spelt_plainly

# Words and dotted words, with the hyphens inside them: `S3`, `self-harm.S3`.
_WORD = re.compile(r"\w+(?:-\w+)*(?:\.\w+(?:-\w+)*)*")


class Citations:
    """Finds the clauses of some policies that a text cites, as whole words; what it does not know, nothing cites."""

    def __init__(self, specs: Iterable[Spec], patterns: Iterable[Patterns] = ()) -> None:
        """patterns: of a run's suites; their retrieval patterns say how reasonings cite."""
        clauses = [clause for spec in specs for clause in spec.clauses()]
        self._ids = {clause.id for clause in clauses}
        self._keys: dict[str, dict[str, str]] = {}
        for clause in clauses:
            self._keys.setdefault(clause.category, {})[clause.key] = clause.id
        self._patterns = list({p.retrieval.text: p.retrieval for p in patterns}.values())

    def of(self, text: str, category: str) -> set[str]:
        """The ids of the clauses that a text of a row of that category cites."""
        words = {_in_small_letters(word) for word in _WORD.findall(spelt_plainly(text))}
        found = words & self._ids
        found |= {self._keys[category][w] for w in words & self._keys.get(category, {}).keys()}
        for pattern in self._patterns:
            found |= self._ids & {cited_by(match) for match in pattern.groups(text)}
        return found


def _in_small_letters(word: str) -> str:
    """`Self-harm.S3`, as a sentence begins with it, as `self-harm.S3`."""
    category, dot, key = word.rpartition(".")
    return f"{category.lower()}{dot}{key}"
