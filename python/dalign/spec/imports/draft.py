"""A policy as it was read from another form: rules with their rulings where the source says them, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from dalign.spec.imports.document import quoted, sentences
from dalign.spec.imports.labels import Said, cued
from dalign.spec.types import Ruling


@dataclass
class Rule:
    """A rule as it was read. `own` is the ruling that its label says, `tier` that of what it stands below.

    `examples` are prompts with the ruling that a label of their own gives them, else None.
    """

    key: str
    title: str
    line: int
    source: str
    tier: Said | None = None
    own: Said | None = None
    # Another label than its own, at the same rule.
    second: Said | None = None
    # What its source says of its ruling in words that are no label.
    unclear: str = ""
    anonymous: bool = False
    # Whether its key is a number that the draft gives.
    numbered: bool = False
    texts: list[str] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    examples: list[tuple[str, Said | None]] = field(default_factory=list)
    severity: str = ""

    def label(self, said: Said) -> None:
        """A label at this rule."""
        if self.own is None:
            self.own = said
        elif said.ruling != self.own.ruling:
            self.second = said

    @property
    def decided(self) -> tuple[Ruling | None, str]:
        """The ruling, None where it is to be decided, and why."""
        if self.own and self.second:
            return None, f"two labels, {self.own.words!r} and {self.second.words!r}"
        if self.unclear and not self.own:
            return None, f"its ruling is {self.unclear!r}"
        # What it quotes is not its own.
        prose = re.sub(r"[\"“][^\"“”]*[\"”]", "", " ".join([*self.texts]))
        said, all_said = cued(sentences(prose))
        known = self.own or self.tier
        if known is not None:
            where = "label" if self.own else "heading"
            against = {"comply": {"refuse"}, "refuse": {"comply"}, "safe-complete": {"comply"}}
            if said is not None and all_said == against[known.ruling]:
                return None, f"its {where} says {known.words!r}, its words {said.words!r}"
            return known.ruling, f"for its {where} {known.words!r}"
        if said is not None:
            return said.ruling, f"for its words {said.words!r}"
        return None, "its words rule in two ways" if all_said else "nothing says how it rules"


@dataclass
class Draft:
    """What was read of a policy. `style` has texts with the ruling that they speak of, or None; `left` what fitted nowhere."""

    title: str = ""
    summary: list[str] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)
    style: list[tuple[str, Ruling | None]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    loose_examples: list[tuple[str, str, int]] = field(default_factory=list)

    def open(self, rule: Rule) -> Rule:
        """A further rule: a key that is taken gets a number."""
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", rule.key).strip("-_")
        taken = {each.key for each in self.rules}
        rule.numbered = not base
        free, nth = base, 2
        while base and free in taken:
            free, nth = f"{base}-{nth}", nth + 1
        rule.key = free
        self.rules.append(rule)
        return rule

    def number(self) -> None:
        """Gives the rules without a code their keys, in the source's order."""
        self.rules.sort(key=lambda rule: rule.line)
        taken = {rule.key for rule in self.rules if not rule.numbered}
        free = (
            key for n in range(1, len(self.rules) + len(taken) + 1) if (key := f"C{n}") not in taken
        )
        for rule in self.rules:
            if rule.numbered:
                rule.key = next(free)

    def rule_of(self, code: str) -> Rule | None:
        """The rule with that code."""
        key = re.sub(r"[^A-Za-z0-9_-]+", "-", code).strip("-_").casefold()
        return next((each for each in self.rules if each.key.casefold() == key), None)


def prompts_in(text: str) -> Iterable[str]:
    """The prompts that an example quotes, or that it is."""
    return quoted(text) or ([text.strip()] if len(text.split()) > 1 else [])
