"""A policy as it was read from another form, and what had to be guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dalign.spec.types import Category, Change, Clause, Definition, Principles, Ruling, Spec

VERSION = "0.1.0"
PRINCIPLES = (
    "Help wherever the policy allows it. Where it does not, decline in a sentence or two, "
    "without judging and without repeating what was asked for."
)
# The first that a text has decides; words of refusal go before those of permission: "not allowed".
_SIGNS: tuple[tuple[Ruling, str], ...] = (
    ("safe-complete", r"safe[- ]complet\w+|caution\w*|careful\w*|borderline|medium|likely|support\w*|redirect\w*|sensitive"),
    ("refuse", r"disallow\w*|not allowed|not permitted|prohibit\w*|forbid\w*|violat\w*|refus\w+|must not|must never|never|do(?:es)? not|don[’']t|should not|shouldn[’']t|avoid\w*|severe|high[- ]risk|invalid|unsafe|block\w*|banned"),
    ("comply", r"allow\w*|permit\w*|valid|safe|comply|acceptable|ok(?:ay)?|benign|should|may|can|low[- ]risk"),
)  # fmt: skip


@dataclass
class Draft:
    """What was read. `guesses` says in sentences what the source did not say itself."""

    title: str = ""
    summary: str = ""
    definitions: dict[str, str] = field(default_factory=dict)
    clauses: list[Clause] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)

    def add(self, key: str, ruling: Ruling, title: str, text: str, line: int) -> Clause:
        """A new clause; a key that is taken gets a number."""
        taken = {clause.key for clause in self.clauses}
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", key).strip("-_") or f"C{len(self.clauses) + 1}"
        free, nth = base, 2
        while free in taken:
            free, nth = f"{base}-{nth}", nth + 1
        clause = Clause("", free, ruling, title or free, text)
        self.clauses.append(clause)
        if free != key:
            self.guesses.append(f"line {line}: clause {key!r} has the id {free}")
        return clause

    def give_example(self, clause: Clause, prompt: str, *, allowed: bool | None = None) -> None:
        """An example of a clause: on the side of the clause's ruling where `allowed` is None."""
        place = next(i for i, each in enumerate(self.clauses) if each.key == clause.key)
        found = self.clauses[place]
        side = found.ruling == "comply" if allowed is None else allowed
        if prompt in (*found.allowed, *found.disallowed):
            return
        if side:
            self.clauses[place] = replace(found, allowed=(*found.allowed, prompt))
        else:
            self.clauses[place] = replace(found, disallowed=(*found.disallowed, prompt))


def guess_ruling(*texts: str) -> tuple[Ruling, str]:
    """The ruling that the first telling word of the first telling text says, and that word; ('refuse', '') without one."""
    for text in texts:
        found = [
            (match.start(), nth, ruling, match[0])
            for nth, (ruling, signs) in enumerate(_SIGNS)
            if (match := re.search(rf"\b(?:{signs})\b", text, re.IGNORECASE))
        ]
        if found:
            # At one place, as in "not allowed", the longer sign stands first.
            _, _, ruling, word = min(found)
            return ruling, word
    return "refuse", ""


def spec_of(draft: Draft, category: str, source: Path) -> Spec:
    """The draft as a policy of one category."""

    clauses = tuple(
        replace(clause, category=category, text=_marked(clause.text, draft.definitions))
        for clause in draft.clauses
    )
    changes = (Change(VERSION, f"Imported from {source.name}."),)
    return Spec(
        Path(),
        Principles(PRINCIPLES),
        (
            Category(
                category,
                VERSION,
                draft.summary,
                tuple(Definition(term, text) for term, text in draft.definitions.items()),
                clauses,
                changelog=changes,
            ),
        ),
    )


def _marked(text: str, terms: Iterable[str]) -> str:
    """The text with the first use of each defined term marked as one."""
    for term in sorted(terms, key=len, reverse=True):
        pattern = rf"(?<![\w*]){re.escape(term)}(?:s|es)?(?![\w*])"
        text = re.sub(pattern, lambda match: f"*{match[0]}*", text, count=1, flags=re.IGNORECASE)
    return text
