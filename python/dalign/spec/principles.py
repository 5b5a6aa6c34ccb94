"""The file of the principles: what holds in every category."""

from __future__ import annotations

from dalign.spec.category import changelog, definitions
from dalign.spec.front_matter import places, principles_front
from dalign.spec.outline import Line, Source, sections
from dalign.spec.types import Place, Principles, Section

FILE = "principles.md"


def read_principles(source: Source) -> Principles:
    """The principles, in any form. Of sections, `## Definitions` holds terms, and `## Changelog` stays out of prompts."""
    front, body = principles_front(source)
    before, found = sections(body, 2)
    shown = [
        line
        for part in [before, *((s.heading, *s.lines) for s in found if s.title != "Changelog")]
        for line in part
    ]
    text = "\n".join(line.text for line in shown).strip()
    if not text:
        source.report(
            1,
            "empty-file",
            "is empty; write the principles of style and helpfulness there, in any form",
        )
    parts = [_section(source, "", before)] if _text(before) else []
    parts += [
        _section(source, section.title, section.lines, source.place(section))
        for section in found
        if section.title not in ("Changelog", "Definitions")
    ]
    return Principles(
        text,
        tuple(parts),
        definitions(source, [s for s in found if s.title == "Definitions"]),
        changelog(source, [s for s in found if s.title == "Changelog"]),
        front["name"],
        front["version"],
        places(source),
    )


def _section(
    source: Source, title: str, lines: tuple[Line, ...], place: Place | None = None
) -> Section:
    if place is None:
        filled = [line for line in lines if line.text.strip()]
        place = Place(source.name, filled[0].number, filled[0].start, filled[-1].end)
    return Section(title, _text(lines), place=place)


def _text(lines: tuple[Line, ...]) -> str:
    return "\n".join(line.text for line in lines).strip()
