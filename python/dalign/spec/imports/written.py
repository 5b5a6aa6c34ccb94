"""A draft as a policy folder: what is to be decided stands as TODO, and each rule has its source beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dalign.spec.imports.draft import Draft, Rule
from dalign.spec.principles import FILE
from dalign.spec.render import render_category, render_principles
from dalign.spec.types import (
    RULINGS,
    UNDECIDED,
    Category,
    Change,
    Clause,
    Definition,
    Principles,
    Ruling,
    StyleGuide,
)

VERSION = "0.1.0"
PRINCIPLES = (
    "Help wherever the policy allows it. Where it does not, decline in a sentence or two, "
    "without judging and without repeating what was asked for."
)
_SUMMARY_WORDS = 90


def write_draft(draft: Draft, name: str, source: Path, folder: Path) -> None:
    """Writes `principles.md` and the category's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(render_principles(Principles(PRINCIPLES)), "utf-8")
    (folder / f"{name}.md").write_text(_file(draft, name, source), "utf-8")


def _file(draft: Draft, name: str, source: Path) -> str:
    keys = {rule.key for rule in draft.rules}
    codes = _codes(draft.rules)
    clauses = tuple(_clause(rule, name, draft.definitions, codes) for rule in draft.rules)
    terms = tuple(Definition(term, text) for term, text in draft.definitions.items())
    changes = (Change(VERSION, f"Imported from {source.name}."),)
    summary = _summary(draft)
    category = Category(name, VERSION, summary, terms, clauses, _guides(draft), changes)
    comments = {rule.key: _comment(rule) for rule in draft.rules}
    lines = []
    for line in render_category(category).split("\n"):
        lines.append(line)
        match = re.match(r"### (?P<key>\S+) \S+: ", line)
        if match and match["key"] in keys:
            lines += comments.pop(match["key"], [])
    return "\n".join(lines)


def _clause(rule: Rule, name: str, terms: Iterable[str], codes: dict[str, str]) -> Clause:
    ruling, _ = rule.decided
    said = " ".join(rule.texts).replace("\n", " ") and "\n".join(rule.texts)
    text = _renamed(_marked(said, terms), codes)
    includes, excludes = (
        tuple(dict.fromkeys(_renamed(each, codes) for each in found if each))
        for found in (rule.includes, rule.excludes)
    )
    sides = {side: [p for p, said in _sided(rule, ruling) if said == side] for side in ("allowed", "disallowed")}  # fmt: skip
    return Clause(
        name,
        rule.key,
        ruling or UNDECIDED,  # type: ignore[arg-type]
        rule.title or rule.key,
        text,
        rule.severity if ruling not in ("comply", None) and rule.severity else None,  # type: ignore[arg-type]
        includes,
        excludes,
        tuple(sides["allowed"]),
        tuple(sides["disallowed"]),
    )


def _sided(rule: Rule, ruling: Ruling | None) -> Iterable[tuple[str, str]]:
    """Its examples, each on the side of its label, else of the rule's ruling; '' where neither is known."""
    known: dict[str, str] = {}
    for prompt, said in rule.examples:
        by = said.ruling if said else ruling
        known.setdefault(prompt, "" if by is None else "allowed" if by == "comply" else "disallowed")  # fmt: skip
    return known.items()


def _comment(rule: Rule) -> list[str]:
    """What the rule was read from and why it rules so; examples whose side is to be decided."""
    ruling, why = rule.decided
    does = f"rules {ruling}, {why}" if ruling else f"{UNDECIDED}: {why}"
    lines = [f"<!-- line {rule.line}: {does}. Source: {_harmless(rule.source)} -->"]
    open_ones = [prompt for prompt, side in _sided(rule, ruling) if not side]
    return [*lines, *(f"<!-- {UNDECIDED}: allowed or disallowed? {_harmless(prompt)} -->" for prompt in open_ones)]  # fmt: skip


def undecided_examples(draft: Draft) -> list[str]:
    """Examples whose rule has no ruling yet, and no label of their own."""
    return [p for rule in draft.rules for p, side in _sided(rule, rule.decided[0]) if not side]


def _harmless(text: str) -> str:
    return " ".join(text.split()).replace("--", "–")


def _guides(draft: Draft) -> tuple[StyleGuide, ...]:
    """The style for each ruling that a rule gives: what speaks of that ruling, and what speaks of none."""
    given = {rule.decided[0] for rule in draft.rules} | {about for _, about in draft.style if about}
    guides = []
    for ruling in RULINGS:
        texts = [text for text, about in draft.style if about in (ruling, None)]
        if ruling in given and texts:
            guides.append(StyleGuide(ruling, "\n".join(texts)))
    return tuple(guides)


def _summary(draft: Draft) -> str:
    # A dash alone would end the front matter where a line begins with it.
    words = [word for word in " ".join(draft.summary).split() if word.strip("-")]
    words = words or draft.title.split()
    return " ".join(words[:_SUMMARY_WORDS])


def _codes(rules: Iterable[Rule]) -> dict[str, str]:
    """The codes of the source whose keys are written otherwise: SP0.a is SP0-a."""
    found = {}
    for rule in rules:
        match = re.match(r"([A-Z]{1,6}-?\d+\.[A-Za-z0-9.]+)", rule.source.strip("*#[( "))
        if match:
            found[match[1].rstrip(".")] = rule.key
    return found


def _renamed(text: str, codes: dict[str, str]) -> str:
    for code, key in codes.items():
        text = re.sub(rf"(?<![\w.]){re.escape(code)}(?![\w])", key, text)
    return text


def _marked(text: str, terms: Iterable[str]) -> str:
    """The text with the first use of each defined term marked as one."""
    for term in sorted(terms, key=len, reverse=True):
        pattern = rf"(?<![\w*]){re.escape(term)}(?:s|es)?(?![\w*])"
        text = re.sub(pattern, lambda match: f"*{match[0]}*", text, count=1, flags=re.IGNORECASE)
    return text
