"""The file of the principles: what holds in every category."""

from __future__ import annotations

from collections.abc import Iterable

from dalign.spec.category import changelog, definitions
from dalign.spec.front_matter import places, principles_front
from dalign.spec.outline import Line, Source, sections
from dalign.spec.types import Principles, Section

FILE = "principles.md"


def read_principles(source: Source) -> Principles:
    """The principles, in any form. Of sections, `## Definitions` holds terms, and `## Changelog` stays out of prompts."""
    front, body = principles_front(source)
    before, found = sections(body, 2)
    kept = [section for section in found if section.title != "Changelog"]
    shown = [before, *((section.heading, *section.lines) for section in kept)]
    text = _text(line for lines in shown for line in lines)
    if not text:
        what = "is empty; write the principles of style and helpfulness there, in any form"
        source.report(1, "empty-file", what)
    parts = []
    if filled := [line for line in before if line.text.strip()]:
        parts.append(Section("", _text(before), place=source.place(filled[0], filled)))
    parts += [
        Section(s.title, _text(s.lines), place=source.place(s.heading, s.lines))
        for s in kept
        if s.title != "Definitions"
    ]
    return Principles(
        text,
        tuple(parts),
        definitions(source, [s for s in kept if s.title == "Definitions"]),
        changelog(source, [s for s in found if s.title == "Changelog"]),
        front["name"],
        front["version"],
        places(source),
    )


def _text(lines: Iterable[Line]) -> str:
    return "\n".join(line.text for line in lines).strip()
