"""A category's file: front matter, definitions, clauses, style guides and changelog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dalign.errors import did_you_mean
from dalign.spec.clause import clauses
from dalign.spec.front_matter import category_front, places
from dalign.spec.outline import Item, Line, Section, Source, items, sections
from dalign.spec.types import RULINGS, Category, Change, Definition, Place, StyleGuide
from dalign.text import short

SECTIONS = ("Definitions", "Clauses", "Style", "Changelog")
_TERM = re.compile(r"\*\*(?P<term>.+?)\*\*\s*:\s*(?P<text>.+)")
_CHANGE = re.compile(r"(?P<version>\S+?):\s+(?P<text>.+)")


def read_category(source: Source) -> Category:
    """The category of a file, its references and hashes still to be filled in."""
    front, body = category_front(source)
    before, found = sections(body, 2)
    source.unowned(
        _untitled(before),
        "before the first section; put it below '## Definitions', '## Clauses' or '## Style'",
    )
    by_name = _sections_by_name(source, found, SECTIONS)
    name = front["category"]
    if "Clauses" not in by_name:
        what = "has no section '## Clauses'; a category needs at least one clause"
        source.report(body[0].number if body else 1, "no-clauses", what)
    return Category(
        name,
        front["version"],
        front["summary"],
        definitions(source, by_name.get("Definitions", ())),
        clauses(source, name, by_name.get("Clauses", ())),
        _style(source, by_name.get("Style", ())),
        changelog(source, by_name.get("Changelog", ())),
        place=Place(source.name, 1, 0, source.lines[-1].end),
        front=places(source),
    )


def definitions(source: Source, found: Iterable[Section]) -> tuple[Definition, ...]:
    """The terms of sections of definitions."""
    terms: dict[str, Definition] = {}
    form = "not a definition", "write '- **term**: text'"
    for item, match in _matched(source, found, "the definitions", _TERM, form):
        term = match["term"].strip()
        if first := terms.get(term.casefold()):
            what = f"term {term!r} is defined in line {first.place.line} too; keep one of the two"
            source.report(item.line, "duplicate-term", what)
            continue
        place = source.place(item.first, [item.last])
        terms[term.casefold()] = Definition(term, match["text"], place=place)
    return tuple(terms.values())


def changelog(source: Source, found: Iterable[Section]) -> tuple[Change, ...]:
    """The entries of a changelog, in the file's order."""
    form = "not an entry of a changelog", "write '- 1.0.1: what changed'"
    entries = _matched(source, found, "the changelog", _CHANGE, form)
    return tuple(Change(match["version"], match["text"]) for _, match in entries)


def _matched(
    source: Source,
    found: Iterable[Section],
    owner: str,
    pattern: re.Pattern[str],
    form: tuple[str, str],
) -> Iterator[tuple[Item, re.Match[str]]]:
    """The bullets of that form; other text is reported, by the two halves of a sentence."""
    for item in [item for section in found for item in items(source, section.lines, owner)]:
        match = pattern.fullmatch(item.text) if item.bullet else None
        if match:
            yield item, match
        else:
            what = f"{form[0]} ({short(item.text)!r}); {form[1]}"
            source.report(item.line, "unowned-line", what)


def _style(source: Source, style: Iterable[Section]) -> tuple[StyleGuide, ...]:
    guides = {}
    for section in style:
        before, found = sections(section.lines, 3)
        source.unowned(
            _untitled(before),
            "before the first style guide; put it below '### refuse', '### safe-complete' or '### comply'",
        )
        for name, parts in _sections_by_name(source, found, RULINGS).items():
            lines = [line for part in parts for line in part.lines]
            text = [item.prose for item in items(source, lines, f"the style guide '{name}'")]
            guides[name] = "\n".join(text), source.place(parts[0].heading, parts[0].lines)
    return tuple(
        StyleGuide(ruling, guides[ruling][0], place=guides[ruling][1])
        for ruling in RULINGS
        if ruling in guides
    )


def _sections_by_name(
    source: Source, found: Iterable[Section], known: tuple[str, ...]
) -> dict[str, list[Section]]:
    """The sections by title. An unknown or repeated title is reported; what is repeated is joined."""
    by_name: dict[str, list[Section]] = {}
    for section in found:
        line, title = section.heading.number, section.title
        if title not in known:
            what = f"unknown section ({title!r}); {did_you_mean(title, known)}"
            source.report(line, "unowned-line", what)
            continue
        if title in by_name:
            first = by_name[title][0].heading.number
            what = f"section {title!r} stands in line {first} too; join the two"
            source.report(line, "duplicate-section", what)
        by_name.setdefault(title, []).append(section)
    return by_name


def _untitled(lines: Iterable[Line]) -> list[Line]:
    """Without a title of the file's own ("# Self-harm"), which says nothing that the front matter does not."""
    return [line for line in lines if not line.text.startswith("# ")]
