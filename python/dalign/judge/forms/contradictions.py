"""Which clauses of a category contradict each other?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dalign.judge.court import Clean, Heard
from dalign.rows import Message
from dalign.spec.templates import Templates
from dalign.spec.types import Category, Clause, Spec

_LINE = re.compile(
    r"^[^\nA-Za-z0-9]*contradictions?\b[^\nA-Za-z0-9:]*:(.*)$", re.IGNORECASE | re.MULTILINE
)
_WORD = re.compile(r"[\w.-]*\w")
# Characters of a reason that are shown.
_REASON = 300


@dataclass(frozen=True)
class Pair:
    """Two clauses in the file's order, and in what they contradict each other, in the judge's words."""

    earlier: Clause
    later: Clause
    reason: str


class ContradictionForm:
    """Asks of a category's policy, once."""

    name = "contradictions"
    whole_nonce = False

    def __init__(self, spec: Spec, templates: Templates) -> None:
        self._spec, self._templates = spec, templates

    def id_of(self, question: Category) -> str:
        """The category's name."""
        return question.name

    def messages(self, question: Category, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The judge's conversation: a policy is the user's own text, and needs no fence."""
        values = {"spec": self._templates.spec(self._spec, question.name), "category": question}
        return tuple(self._templates.pair(self.name, values))

    def read(self, question: Category, heard: Heard) -> list[Pair] | None:
        """The pairs that a reply names, each once; none where it says so; None where it says neither.

        A line counts where its first two words that are clauses of the category name two different ones.
        """
        lines = [match.strip() for match in _LINE.findall(heard.said)]
        pairs: dict[frozenset[str], Pair] = {}
        for line in lines:
            pair = _pair(question, line)
            if pair is not None:
                pairs.setdefault(frozenset((pair.earlier.id, pair.later.id)), pair)
        if pairs:
            return list(pairs.values())
        return [] if any(re.match(r"[\W_]*none\b", line, re.IGNORECASE) for line in lines) else None


def _pair(category: Category, line: str) -> Pair | None:
    clauses = {each.id.casefold(): each for each in category.clauses}
    clauses |= {each.key.casefold(): each for each in category.clauses}
    found: list[Clause] = []
    end = 0
    for match in _WORD.finditer(line):
        clause = clauses.get(match[0].casefold())
        if clause is not None and clause not in found:
            found.append(clause)
            end = match.end()
        if len(found) == 2:
            break
    if len(found) < 2:
        return None
    earlier, later = _in_order(category.clauses, found)
    return Pair(earlier, later, line[end:].strip(" \t*_`:;,.–—-")[:_REASON])


def _in_order(clauses: Sequence[Clause], pair: Sequence[Clause]) -> list[Clause]:
    return sorted(pair, key=clauses.index)
