"""Which clauses contradict each other, of a category or of two?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
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


class BorderForm(ContradictionForm):
    """Asks of two categories at once, by the texts of the same pair of templates.

    What is asked of is a category that has the clauses of both, its name both names. The policy is shown short: the principles, and of
    each clause its title, its first sentence and what it excludes.
    """

    def messages(self, question: Category, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The judge's conversation."""
        shown = "\n\n".join([self._spec.principles, *map(_short, question.clauses)])
        values = {"spec": shown, "category": question}
        return tuple(self._templates.pair(self.name, values))

    def read(self, question: Category, reply: str, said: str, seal: str = "") -> list[Pair] | None:
        """The pairs of clauses that are of different categories."""
        pairs = super().read(question, reply, said, seal)
        if pairs is None:
            return None
        return [pair for pair in pairs if pair.earlier.category != pair.later.category]


def borders(spec: Spec) -> Iterator[Category]:
    """Each two categories as one, for the border between them."""
    for one, two in combinations(spec.categories, 2):
        yield replace(one, name=f"{one.name} + {two.name}", clauses=(*one.clauses, *two.clauses))


def _short(clause: Clause) -> str:
    first = re.split(r"(?<=[.!?])\s", clause.text, maxsplit=1)[0]
    lines = [f"{clause.id} ({clause.ruling}): {clause.title}. {first}"]
    return "\n".join([*lines, *(f"- excludes: {text}" for text in clause.excludes)])


def _pair(category: Category, line: str) -> Pair | None:
    clauses = {each.id.casefold(): each for each in category.clauses}
    # A key alone names a clause where no other has it.
    keys = Counter(each.key.casefold() for each in category.clauses)
    clauses |= {k: each for each in category.clauses if keys[k := each.key.casefold()] == 1}
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
