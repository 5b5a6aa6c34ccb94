"""Which clauses a text names or cites: by their full id anywhere, by their bare key in a row of their category."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dalign.data.denied import denied
from dalign.data.patterns import Patterns, ids_in
from dalign.spec.types import Spec
from dalign.text import spelt_plainly

# Words and dotted words, with the hyphens inside them: `S3`, `self-harm.S3`.
_WORD = re.compile(r"\w+(?:-\w+)*(?:\.\w+(?:-\w+)*)*")


class Citations:
    """Finds the clauses of some policies in a text, as whole words; what it does not know, nothing cites."""

    def __init__(self, specs: Iterable[Spec], patterns: Iterable[Patterns] = ()) -> None:
        """patterns: of a run's suites; their retrieval patterns say how reasonings cite."""
        clauses = [clause for spec in specs for clause in spec.clauses()]
        self._ids = {clause.id for clause in clauses}
        self._keys: dict[str, dict[str, str]] = {}
        for clause in clauses:
            self._keys.setdefault(clause.category, {})[clause.key] = clause.id
        self._patterns = list({p.retrieval.text: p.retrieval for p in patterns}.values())

    def of(self, text: str, category: str) -> set[str]:
        """The ids of the clauses that a text of a row of that category cites: it names them, and not only to deny them."""
        return {clause for clause, is_cited in self._found(text, category) if is_cited}

    def named(self, text: str, category: str) -> set[str]:
        """The ids of all clauses that it names."""
        return {clause for clause, _ in self._found(text, category)}

    def _found(self, text: str, category: str) -> Iterator[tuple[str, bool]]:
        """Each clause that stands somewhere in it, and whether it is cited there."""
        keys, plain = self._keys.get(category, {}), spelt_plainly(text)
        words = [
            (clause, match.span())
            for match in _WORD.finditer(plain)
            if (clause := keys.get(match[0]) or self._known(match[0]))
        ]
        are_denied = denied(plain, [place for _, place in words])
        yield from ((c, not is_denied) for (c, _), is_denied in zip(words, are_denied, strict=True))
        for pattern in self._patterns:
            yield from (each for each in ids_in(pattern, text) if each[0] in self._ids)

    def _known(self, word: str) -> str | None:
        """The clause with that id; a sentence may begin with it."""
        category, dot, key = word.rpartition(".")
        clause = f"{category.lower()}{dot}{key}"
        return clause if clause in self._ids else None
