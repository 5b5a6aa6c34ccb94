"""The heuristic reward: how much an answer has of the sections that its prompt requires. No model is asked."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Any, NamedTuple

from dalign.pattern import read_any_case
from dalign.rows import Section

_COLONS = ":："
# What headings are dressed in, and what ends them.
_DRESS, _ENDS = " \t\r*_`~", f"{_COLONS}."
_LIST_MARK = re.compile(r"\A(?:[-*+•]|\d{1,3}[.)])\s+")
_NUMBER = re.compile(r"\A\(?\d{1,3}(?:\.\d{1,3}){0,3}[.)]?\s+")
_DEEPEST = 6


class Found(StrEnum):
    """As what a section stands in an answer."""

    HEADING = "heading"
    PATTERN = "pattern"
    PHRASE = "phrase"
    OUT_OF_ORDER = "out_of_order"
    MISSING = "missing"


class SectionGrade(NamedTuple):
    """A required section's grade, from 0 to 1: 0 where it is missing or out of order, else what it contains of what it should."""

    name: str
    grade: float
    found: Found


class Completeness(NamedTuple):
    """The weighted mean of the sections' grades, from 0 to 1, and those grades in the order in which they are required."""

    value: float
    sections: tuple[SectionGrade, ...]

    @property
    def row(self) -> dict[str, Any]:
        """Its columns of `RolloutRow`."""
        return {"completeness": self.value, "sections": [s._asdict() for s in self.sections]}


def completeness(
    answer: str, sections: Sequence[Section], *, in_order: bool = False
) -> Completeness | None:
    """What an answer has of these sections, whatever their case; None where none is required.

    A section is looked for as a heading, then by its pattern, then as a phrase anywhere; it counts once, however often it stands
    there. Its text goes from each of its headings (or lines that its pattern finds) up to the next found section's; a
    phrase has the whole answer. in_order: only those count that stand in the order of `sections`; where several
    runs of them do, the one that is worth most.
    """
    if not sections:
        return None
    read = _Answer(answer)
    places = [read.find(section) for section in sections]
    begins = sorted({start for place in places for start in place.begins})
    grades = [
        _grade(section, read.text_of(place, begins)) if place.found is not Found.MISSING else 0.0
        for section, place in zip(sections, places, strict=True)
    ]
    worths = [section.weight * grade for section, grade in zip(sections, grades, strict=True)]
    counted = _best_run(places, worths) if in_order else set(range(len(sections)))
    parts = tuple(
        SectionGrade(section.name, grade, place.found)
        if i in counted or place.found is Found.MISSING
        else SectionGrade(section.name, 0.0, Found.OUT_OF_ORDER)
        for i, (section, grade, place) in enumerate(zip(sections, grades, places, strict=True))
    )
    earned = sum(s.weight * part.grade for s, part in zip(sections, parts, strict=True))
    return Completeness(earned / sum(section.weight for section in sections), parts)


class _Place(NamedTuple):
    """Where a section stands: its first place, and the starts of the lines that begin it, all in casefolded characters."""

    found: Found
    first: int = 0
    begins: tuple[int, ...] = ()


class _Answer:
    """An answer as sections are looked for in it: its lines as written and casefolded, with their starts and titles."""

    def __init__(self, written: str) -> None:
        self._written, self._text = written, written.casefold()
        # No character's casefold has a line feed: both have the same lines.
        self._as_written, self._lines = written.split("\n"), self._text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)][:-1]
        self._titles = [_titles(line) for line in self._lines]

    def find(self, section: Section) -> _Place:
        """Where a section stands."""
        names = [name.casefold() for name in (section.name, *section.synonyms)]
        if begins := self._headings(names):
            return _Place(Found.HEADING, begins[0], begins)
        matched = None if section.pattern is None else self._matched(section.pattern)
        if matched is not None:
            return matched
        at = [place for name in names if (place := self._text.find(name)) >= 0]
        return _Place(Found.PHRASE, min(at)) if at else _Place(Found.MISSING)

    def text_of(self, place: _Place, begins: Sequence[int]) -> str:
        """The text of a section, casefolded. begins: where any section's text begins, sorted."""
        if not place.begins:
            return self._text
        ends = [*begins, len(self._text)]
        return "".join(self._text[at : ends[bisect_right(begins, at)]] for at in place.begins)

    def _headings(self, names: Sequence[str]) -> tuple[int, ...]:
        sought = [(name, {name, *_titles(name)}) for name in names]
        return tuple(
            start
            for start, line, titles in zip(self._starts, self._lines, self._titles, strict=True)
            # A name that is written as a heading is one as it is written.
            if titles and any(titles & known and name in line for name, known in sought)
        )

    def _matched(self, text: str) -> _Place | None:
        pattern = read_any_case(text)
        lines = zip(self._starts, self._as_written, strict=True)
        if begins := tuple(start for start, line in lines if pattern.is_in(line)):
            return _Place(Found.PATTERN, begins[0], begins)
        if matches := pattern.groups(self._written):
            # It goes over several lines, so that none of them begins the section.
            at = self._written.index(matches[0][""] or "")
            return _Place(Found.PATTERN, len(self._written[:at].casefold()))
        return None


def _grade(section: Section, text: str) -> float:
    """The share of what the section should contain that is in its text; 1 where that is nothing."""
    if not section.contains:
        return 1.0
    said = [any(phrase.casefold() in text for phrase in wording) for wording in section.contains]
    return sum(said) / len(said)


def _best_run(places: Sequence[_Place], worths: Sequence[float]) -> set[int]:
    """The sections, each not before the last, that are worth most together; of equal runs the longest, then the first."""
    best: dict[int, tuple[float, int]] = {}
    before: dict[int, int] = {}
    for i, (place, worth) in enumerate(zip(places, worths, strict=True)):
        if place.found is Found.MISSING:
            continue
        earlier = [j for j in best if places[j].first <= place.first]
        value, length = 0.0, 0
        if earlier:
            before[i] = max(earlier, key=lambda j: best[j])
            value, length = best[before[i]]
        best[i] = value + worth, length + 1
    run = set[int]()
    at = max(best, key=lambda j: best[j]) if best else None
    while at is not None:
        run.add(at)
        at = before.get(at)
    return run


def _titles(line: str) -> frozenset[str]:
    """What a line is the heading of, with its number and without; empty where it is no heading."""
    bare = line.strip()
    level = len(bare) - len(bare.lstrip("#"))
    if 0 < level <= _DEEPEST and bare[level : level + 1].isspace():
        opened = bare.rstrip("#")
        title = (opened if opened[-1:].isspace() else bare)[level:]
    else:
        item = _LIST_MARK.sub("", bare)
        title = _leading(item) or _leading(_NUMBER.sub("", item))
    title = title.strip(_DRESS)
    both = {each.rstrip(_ENDS).strip(_DRESS) for each in (title, _NUMBER.sub("", title))}
    return frozenset(both - {""})


def _leading(bare: str) -> str:
    """The title of a line that is in bold as a whole, or that begins with one and a colon; else empty."""
    for mark in ("**", "__"):
        if bare.startswith(mark):
            title, closed, rest = bare.removeprefix(mark).partition(mark)
            ends = title.rstrip()[-1:] + rest.strip(_DRESS)[:1]
            is_title = closed and (not rest.strip(_DRESS) or any(c in _COLONS for c in ends))
            return title if is_title else ""
    first = min((at for colon in _COLONS if (at := bare.find(colon)) >= 0), default=0)
    return bare[:first]
