"""Terms that are marked and not defined, or defined and never marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dalign.errors import did_you_mean
from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.types import Category, Definition, Place, Spec

# *term* or **term** in prose; a lone asterisk, as in 3 * 4, marks nothing.
_MARK = re.compile(r"(?<![*\w])(\*{1,2})(?![\s*])([^*\n]+?)(?<!\s)\1(?![*\w])")


def terms(spec: Spec, _golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kinds `undefined-term` and `unused-term`."""
    shared = spec.principle.definitions
    used: set[str] = set()
    for category in spec.categories:
        marked = list(_marked(category))
        defined = (*category.definitions, *shared)
        yield from _undefined(spec, marked, defined)
        used |= (forms := _all_forms(term for term, _, _ in marked))
        yield from _unused(spec, category.definitions, forms, f"'{category.name}'")
    principles = [(t, s.place, "") for s in spec.principle.sections for t in _marks(s.text)]
    principles += [(t, d.place, "") for d in shared for t in _marks(d.text)]
    yield from _undefined(spec, principles, shared)
    used |= _all_forms(term for term, _, _ in principles)
    yield from _unused(spec, shared, used, "the policy")


def _marked(category: Category) -> Iterator[tuple[str, Place, str]]:
    """Marked terms with the place of their unit, and the clause's id."""
    for clause in category.clauses:
        texts = (clause.title, clause.text, *clause.includes, *clause.excludes)
        yield from ((term, clause.place, clause.id) for text in texts for term in _marks(text))
    for definition in category.definitions:
        yield from ((term, definition.place, "") for term in _marks(definition.text))
    for guide in category.style:
        yield from ((term, guide.place, "") for term in _marks(guide.text))
    place = category.front.get("summary", category.place)
    yield from ((term, place, "") for term in _marks(category.summary))


def _undefined(
    spec: Spec, marked: Iterable[tuple[str, Place, str]], defined: Sequence[Definition]
) -> Iterator[Finding]:
    known = _all_forms(each.term for each in defined)
    for term, place, clause in marked:
        if not _forms(term) & known:
            names = [each.term for each in defined]
            way_out = did_you_mean(term.casefold(), names) if names else "nothing is defined here"
            text = f"term {term!r} is marked and not defined; add '- **{term}**: …' to '## Definitions', or {way_out}"
            file = spec.folder / place.file
            yield Finding(file, _line_of(file, place, term), "undefined-term", text, clause)


def _unused(
    spec: Spec, defined: Sequence[Definition], used: set[str], owner: str
) -> Iterator[Finding]:
    for definition in defined:
        if not _forms(definition.term) & used:
            place = definition.place
            text = f"term {definition.term!r} is defined, and nothing in {owner} marks it; mark it as *{definition.term}* where it is relied on, or remove it"
            yield Finding(spec.folder / place.file, place.line, "unused-term", text)


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
