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
    """What was read: clauses by their keys, and `guesses`, which say in sentences what the source did not say itself."""

    title: str = ""
    summary: str = ""
    definitions: dict[str, str] = field(default_factory=dict)
    clauses: dict[str, Clause] = field(default_factory=dict)
    guesses: list[str] = field(default_factory=list)

    def add(self, key: str, ruling: Ruling, title: str, text: str, line: int) -> str:
        """The key of a new clause: `key`, with a number where it is taken; C and a number where it is empty."""
        wanted = key or f"C{len(self.clauses) + 1}"
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-_") or f"C{len(self.clauses) + 1}"
        free, nth = base, 2
        while free in self.clauses:
            free, nth = f"{base}-{nth}", nth + 1
        self.clauses[free] = Clause("", free, ruling, title or free, text)
        if free != wanted:
            self.guesses.append(f"line {line}: clause {wanted!r} has the id {free}")
        return free

    def give_examples(self, key: str, prompts: Iterable[str]) -> None:
        """Examples of a clause, on the side of its ruling."""
        for prompt in prompts:
            clause = self.clauses[key]
            if prompt in (*clause.allowed, *clause.disallowed):
                continue
            if clause.ruling == "comply":
                self.clauses[key] = replace(clause, allowed=(*clause.allowed, prompt))
            else:
                self.clauses[key] = replace(clause, disallowed=(*clause.disallowed, prompt))


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


def spec_of(draft: Draft, name: str, source: Path) -> Spec:
    """The draft as a policy of one category."""
    clauses = tuple(
        replace(clause, category=name, text=_marked(clause.text, draft.definitions))
        for clause in draft.clauses.values()
    )
    terms = tuple(Definition(term, text) for term, text in draft.definitions.items())
    changes = (Change(VERSION, f"Imported from {source.name}."),)
    category = Category(name, VERSION, draft.summary, terms, clauses, changelog=changes)
    return Spec(Path(), Principles(PRINCIPLES), (category,))


def _marked(text: str, terms: Iterable[str]) -> str:
    """The text with the first use of each defined term marked as one."""
    for term in sorted(terms, key=len, reverse=True):
        pattern = rf"(?<![\w*]){re.escape(term)}(?:s|es)?(?![\w*])"
        text = re.sub(pattern, lambda match: f"*{match[0]}*", text, count=1, flags=re.IGNORECASE)
    return text
