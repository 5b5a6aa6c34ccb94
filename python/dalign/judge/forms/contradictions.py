"""Which clauses of a category contradict each other?"""

from __future__ import annotations

import re
from typing import NamedTuple

from dalign.judge.court import Clean
from dalign.rows import Message
from dalign.spec.templates import Templates
from dalign.spec.types import Category, Clause, Spec

_LINE = re.compile(
    r"^[^\nA-Za-z0-9]*contradictions?\b[^\nA-Za-z0-9:]*:(.*)$", re.IGNORECASE | re.MULTILINE
)
_WORD = re.compile(r"[\w.-]*\w")
# Characters of a reason that are shown.
_REASON = 300


class Pair(NamedTuple):
    """Two clauses in the file's order, and in what they contradict each other, in the judge's words."""

    earlier: Clause
    later: Clause
    reason: str


class ContradictionForm:
    """Asks of a category's policy, once."""

    name = "contradictions"
    whole_nonce = False
    # A policy is the user's own text: nothing in it is to be kept out of the verdict.
    asks_seal = False

    def __init__(self, spec: Spec, templates: Templates) -> None:
        self._spec, self._templates = spec, templates

    def parts(self, question: Category) -> list[str]:
        """The category's name: its conversation shows no nonce."""
        return [question.name]

    def messages(self, question: Category, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The judge's conversation: a policy is the user's own text, and needs no fence."""
        values = {"spec": self._templates.spec(self._spec, question.name), "category": question}
        return tuple(self._templates.pair(self.name, values))

    def read(self, question: Category, reply: str, said: str, seal: str = "") -> list[Pair] | None:
        """The pairs that a reply names, each once; none where it says so; None where it says neither.

        A line counts where its first two words that are clauses of the category name two different ones.
        """
        lines = [match.strip() for match in _LINE.findall(said)]
        pairs: dict[frozenset[str], Pair] = {}
        for line in lines:
            if pair := _pair(question, line):
                pairs.setdefault(frozenset((pair.earlier.id, pair.later.id)), pair)
        if pairs:
            return list(pairs.values())
        return [] if any(re.match(r"[\W_]*none\b", line, re.IGNORECASE) for line in lines) else None


def _pair(category: Category, line: str) -> Pair | None:
    clauses = {each.id.casefold(): each for each in category.clauses}
    clauses |= {each.key.casefold(): each for each in category.clauses}
    first: Clause | None = None
    for match in _WORD.finditer(line):
        clause = clauses.get(match[0].casefold())
        if clause is None or clause == first:
            continue
        if first is not None:
            earlier, later = sorted((first, clause), key=category.clauses.index)
            return Pair(earlier, later, line[match.end() :].strip(" \t*_`:;,.–—-")[:_REASON])
        first = clause
    return None
