"""Terms that are marked and not defined, or defined and never marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dalign.errors import did_you_mean
from dalign.spec.findings import Finding, finding_at
from dalign.spec.types import Category, Definition, Place, Section, Spec, StyleGuide

# *term* or **term** in prose; a lone asterisk, as in 3 * 4, marks nothing.
_MARK = re.compile(r"(?<![*\w])(\*{1,2})(?![\s*])([^*\n]+?)(?<!\s)\1(?![*\w])")


def terms(spec: Spec) -> Iterator[Finding]:
    """Kinds `undefined-term` and `unused-term`."""
    shared = spec.principle.definitions
    used: set[str] = set()
    for category in spec.categories:
        marked = list(_marked(category))
        yield from _undefined(spec, marked, (*category.definitions, *shared))
        used |= (forms := _all_forms(mark.term for mark in marked))
        yield from _unused(spec, category.definitions, forms, f"'{category.name}'")
    units: list[Section | Definition] = [*spec.principle.sections, *shared]
    principles = [_Mark(term, each.place) for each in units for term in _marks(each.text)]
    yield from _undefined(spec, principles, shared)
    used |= _all_forms(mark.term for mark in principles)
    yield from _unused(spec, shared, used, "the policy")


def shadowed(spec: Spec) -> Iterator[Finding]:
    """Kind `shadowed-term`: two meanings of a word in one prompt."""
    shared = {form: each for each in spec.principle.definitions for form in _forms(each.term)}
    for category in spec.categories:
        for each in category.definitions:
            if other := next((shared[f] for f in _forms(each.term) if f in shared), None):
                text = f"term {each.term!r} is defined in {other.place.file}:{other.place.line} for every category; take one of the two out, or name this one otherwise"
                yield finding_at(spec, each.place, "shadowed-term", text)


class _Mark(NamedTuple):
    """A marked term with the place of its unit, and the clause's id."""

    term: str
    place: Place
    clause: str = ""


def _marked(category: Category) -> Iterator[_Mark]:
    for clause in category.clauses:
        texts = (clause.title, clause.text, *clause.includes, *clause.excludes)
        yield from (_Mark(term, clause.place, clause.id) for t in texts for term in _marks(t))
    units: list[Definition | StyleGuide] = [*category.definitions, *category.style]
    for unit in units:
        yield from (_Mark(term, unit.place) for term in _marks(unit.text))
    place = category.front.get("summary", category.place)
    yield from (_Mark(term, place) for term in _marks(category.summary))


def _undefined(
    spec: Spec, marked: Iterable[_Mark], defined: Sequence[Definition]
) -> Iterator[Finding]:
    names = [each.term for each in defined]
    known = _all_forms(names)
    for term, place, clause in marked:
        if not _forms(term) & known:
            way_out = did_you_mean(term.casefold(), names) if names else "nothing is defined here"
            text = f"term {term!r} is marked and not defined; add '- **{term}**: …' to '## Definitions', or {way_out}"
            line = _line_of(spec.folder / place.file, place, term)
            yield finding_at(spec, replace(place, line=line), "undefined-term", text, clause)


def _unused(
    spec: Spec, defined: Sequence[Definition], used: set[str], owner: str
) -> Iterator[Finding]:
    for definition in defined:
        if not _forms(definition.term) & used:
            text = f"term {definition.term!r} is defined, and nothing in {owner} marks it; mark it as *{definition.term}* where it is relied on, or remove it"
            yield finding_at(spec, definition.place, "unused-term", text)


def _line_of(file: Path, place: Place, term: str) -> int:
    """The line of the unit that marks the term, or the unit's first where a line break cuts it."""
    unit = file.read_bytes()[place.start : place.end].decode("utf-8")
    before, mark, _ = unit.partition(f"*{term}*")
    return place.line + (before.count("\n") if mark else 0)


def _marks(text: str) -> list[str]:
    return [match[2] for match in _MARK.finditer(text)]


def _all_forms(names: Iterable[str]) -> set[str]:
    return {form for name in names for form in _forms(name)}


def _forms(term: str) -> set[str]:
    """The term as it stands and without the endings of a plural."""
    word = " ".join(term.casefold().split())
    forms = {word}
    for ending, instead in (("s", ""), ("es", ""), ("ies", "y")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            forms.add(word[: -len(ending)] + instead)
    return forms
