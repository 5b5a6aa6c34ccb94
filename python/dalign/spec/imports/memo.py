"""Policies in prose: paragraphs that rule, and introductions that do."""

from __future__ import annotations

import re

from dalign.spec.imports.document import plain, sentences
from dalign.spec.imports.draft import Draft, Rule
from dalign.spec.imports.labels import cued
from dalign.spec.imports.pieces import clean, title_of

# What opens and closes a letter.
LETTER = re.compile(
    r"(?:from|to|cc|date|subject|re)\s*:|(?:dear|hi|hello|thanks|thank you|best|kind regards|regards|yours|sincerely|cheers)\b",
    re.IGNORECASE,
)


def read_memo(draft: Draft) -> None:
    """Where no rule was found, the paragraphs rule; elsewhere, those of an introduction that rule by their words do."""
    intro = [(text, line) for kind, text, line in draft.loose_examples if kind == "summary"]
    draft.loose_examples = [each for each in draft.loose_examples if each[0] != "summary"]
    rules = [rule for rule in draft.rules if rule.texts or rule.examples or rule.own or not rule.anonymous]  # fmt: skip
    draft.rules = [part for rule in rules for part in _split(rule)]
    for nth, (text, line) in enumerate(intro):
        if (rules and nth == 0) or (rules and not cued(sentences(plain(text)))[1]):
            continue
        if LETTER.match(text) or text.endswith(":"):
            continue
        for part in _parts(plain(text)):
            draft.open(Rule("", title_of(part), line, text, texts=[clean(part)]))
    for rule in draft.rules:
        if rule.title in ("", "Rule"):
            rule.title = title_of(" ".join(rule.texts))
    draft.number()


def _split(rule: Rule) -> list[Rule]:
    """A paragraph of a memo as its rules; any other rule as it is."""
    if (
        not rule.anonymous
        or not rule.numbered
        or rule.own
        or rule.tier
        or rule.examples
        or len(rule.texts) != 1
    ):
        return [rule]
    if LETTER.match(rule.source):
        return []
    parts = _parts(rule.texts[0])
    if len(parts) == 1:
        return [rule]
    return [
        Rule("", title_of(part), rule.line, rule.source, texts=[part], numbered=True)
        for part in parts
    ]


def _parts(text: str) -> list[str]:
    """A paragraph as a rule, or as several where its sentences rule in different ways."""
    said = sentences(text)
    if len(cued(said)[1]) < 2:
        return [text]
    parts: list[str] = []
    for sentence in said:
        if cued([sentence])[1] or not parts:
            parts.append(sentence)
        else:
            parts[-1] = f"{parts[-1]} {sentence}"
    return parts
