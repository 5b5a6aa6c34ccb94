"""A category's file: front matter, definitions, clauses, style guides and changelog."""

from __future__ import annotations

import re
from collections.abc import Iterable

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
    unowned(
        source,
        before,
        "before the first section; put it below '## Definitions', '## Clauses' or '## Style'",
    )
    by_name = sections_by_name(source, found, SECTIONS)
    name = front["category"]
    if "Clauses" not in by_name:
        source.report(
            body[0].number if body else 1,
            "no-clauses",
            "has no section '## Clauses'; a category needs at least one clause",
        )
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
    for item in _items(source, found, "the definitions"):
        match = _TERM.fullmatch(item.text) if item.bullet else None
        if not match:
            source.report(
                item.line,
                "unowned-line",
                f"not a definition ({short(item.text)!r}); write '- **term**: text'",
            )
            continue
        term = match["term"].strip()
        if term.casefold() in terms:
            first = terms[term.casefold()].place.line
            source.report(
                item.line,
                "duplicate-term",
                f"term {term!r} is defined in line {first} too; keep one of the two",
            )
            continue
        terms[term.casefold()] = Definition(term, match["text"], place=source.item_place(item))
    return tuple(terms.values())


def changelog(source: Source, found: Iterable[Section]) -> tuple[Change, ...]:
    """The entries of a changelog, in the file's order."""
    entries = []
    for item in _items(source, found, "the changelog"):
        match = _CHANGE.fullmatch(item.text) if item.bullet else None
        if match:
            entries.append(Change(match["version"], match["text"]))
        else:
            source.report(
                item.line,
                "unowned-line",
                f"not an entry of a changelog ({short(item.text)!r}); write '- 1.0.1: what changed'",
            )
    return tuple(entries)


def _style(source: Source, style: Iterable[Section]) -> tuple[StyleGuide, ...]:
    guides = {}
    for section in style:
        before, found = sections(section.lines, 3)
        unowned(
            source,
            before,
            "before the first style guide; put it below '### refuse', '### safe-complete' or '### comply'",
        )
        for name, parts in sections_by_name(source, found, RULINGS).items():
            lines = [line for part in parts for line in part.lines]
            text = prose(items(source, lines, f"the style guide '{name}'"))
            guides[name] = (text, source.place(parts[0]))
    return tuple(
        StyleGuide(ruling, guides[ruling][0], place=guides[ruling][1])
        for ruling in RULINGS
        if ruling in guides
    )


def prose(found: Iterable[Item]) -> str:
    """Paragraphs and bullets, a line each."""
    return "\n".join(f"- {item.text}" if item.bullet else item.text for item in found)


def sections_by_name(
    source: Source, found: Iterable[Section], known: tuple[str, ...]
) -> dict[str, list[Section]]:
    """The sections by title. An unknown or repeated title is reported; what is repeated is joined."""
    by_name: dict[str, list[Section]] = {}
    for section in found:
        line = section.heading.number
        if section.title not in known:
            source.report(
                line,
                "unowned-line",
                f"unknown section ({section.title!r}); {did_you_mean(section.title, known)}",
            )
            continue
        if section.title in by_name:
            first = by_name[section.title][0].heading.number
            source.report(
                line,
                "duplicate-section",
                f"section {section.title!r} stands in line {first} too; join the two",
            )
        by_name.setdefault(section.title, []).append(section)
    return by_name


def unowned(source: Source, lines: Iterable[Line], where: str) -> None:
    """Reports text that belongs to no unit; where: what is wrong with its place, and the way out."""
    for line in lines:
        # A title of the file's own ("# Self-harm") says nothing that the front matter does not.
        if line.text.strip() and not line.text.startswith("# "):
            source.report(
                line.number, "unowned-line", f"text ({short(line.text.strip())!r}) stands {where}"
            )


def _items(source: Source, found: Iterable[Section], owner: str) -> list[Item]:
    return [item for section in found for item in items(source, section.lines, owner)]
