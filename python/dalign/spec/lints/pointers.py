"""References that lead to a milder ruling or out of the prompt, and names in prose of what is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from dalign.errors import did_you_mean
from dalign.spec.findings import Finding, finding_at
from dalign.spec.references import SEE, targets
from dalign.spec.types import Category, Clause, Definition, Place, Ruling, Spec, StyleGuide

_STRICTNESS: dict[Ruling, int] = {"comply": 0, "safe-complete": 1, "refuse": 2}
_KEY = re.compile(r"(?P<letters>[A-Za-z]{1,4})[0-9]+")
_POLICY = re.compile(r"\b(?:the )?polic(?:y|ies) on (?P<name>[a-z-]+(?: (?!and\b|or\b)[a-z-]+)?)")


def directions(spec: Spec) -> Iterator[Finding]:
    """Kinds `arrow-direction` and `other-category`."""
    clauses = {clause.id: clause for clause in spec.clauses()}
    for clause in clauses.values():
        for name, line in targets(clause, clauses).items():
            other, place = clauses[name], replace(clause.place, line=line)
            if other.category != clause.category:
                text = f"clause {clause.key} refers to {name}, which its readers do not see; name the policy in words, as in 'the policy on {_words(other.category)}'"
                yield finding_at(spec, place, "other-category", text, clause.id)
            elif _STRICTNESS[other.ruling] < _STRICTNESS[clause.ruling]:
                text = f"clause {clause.key} ({clause.ruling}) refers to the milder {other.key} ({other.ruling}); let {other.key} refer to {clause.key}, and say here in prose what stays open"
                yield finding_at(spec, place, "arrow-direction", text, clause.id)


def names_in_prose(spec: Spec) -> Iterator[Finding]:
    """Kind `dangling-reference`: a key in prose of no clause, and a policy by the name of no category."""
    names = [_words(name) for name in spec.names]
    for category in spec.categories:
        keys = {clause.key for clause in category.clauses}
        matches = [match for key in keys if (match := _KEY.fullmatch(key))]
        letters = "|".join(sorted({match["letters"] for match in matches}))
        key_like = re.compile(rf"(?<![\w.-])(?:{letters})[0-9]+(?![\w-])" if letters else r"(?!)")
        for place, clause, text in _prose(category):
            for name in key_like.findall(text):
                if name not in keys:
                    said = f"{name!r} is no clause of '{category.name}'; {did_you_mean(name, keys)}"
                    yield finding_at(spec, place, "dangling-reference", said, clause)
            for match in _POLICY.finditer(text):
                # One word of it may be the name's end and the next the sentence's.
                said_name = _words(match["name"])
                if not any(f"{said_name} ".startswith(f"{name} ") for name in names):
                    said = f"there is no policy on {said_name!r}; {did_you_mean(said_name, names)}"
                    yield finding_at(spec, place, "dangling-reference", said, clause)


def _prose(category: Category) -> Iterator[tuple[Place, str, str]]:
    for clause in category.clauses:
        yield from ((clause.place, clause.id, text) for text in (clause.title, clause.text))
        for text in (*clause.includes, *clause.excludes):
            # What follows "see" is told of where references are resolved.
            yield _at(clause, text), clause.id, SEE.sub("", text)
    units: list[Definition | StyleGuide] = [*category.definitions, *category.style]
    yield from ((each.place, "", each.text) for each in units)


def _at(clause: Clause, text: str) -> Place:
    return replace(clause.place, line=clause.lines.get(text, clause.place.line))


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ")
