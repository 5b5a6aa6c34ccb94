"""A policy folder, parsed and compiled to addressed clauses with hashes and places."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import dalign
from dalign.errors import InputError, did_you_mean
from dalign.spec.front_matter import front_matter
from dalign.spec.hashes import digest, hashed
from dalign.spec.outline import (
    Item,
    Line,
    Section,
    Source,
    items,
    read_source,
    sections,
)
from dalign.spec.references import resolve_references
from dalign.spec.templates import Templates
from dalign.spec.types import RULINGS, Category, Clause, Place, Ruling, Spec

PRINCIPLES = "principles.md"

_SECTIONS = ("Definitions", "Clauses", "Style")
_LABELS = ("includes", "excludes", "allowed", "disallowed")
_CLAUSE = re.compile(r"(?P<key>[^\s:]+)\s+(?P<ruling>[^\s:]+)\s*:\s*(?P<title>.*)")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LABEL = re.compile(r"(?P<label>[A-Za-z]+):(?:\s+|$)(?P<text>.*)")
_TERM = re.compile(r"\*\*(?P<term>.+?)\*\*\s*:\s*(?P<text>.+)")
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))


def load_spec(folder: Path) -> Spec:
    """The policy of a folder: `principles.md` and one Markdown file a category.

    Raises InputError, which names file, line, value and way out, where the folder is not a policy.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such policy folder; it holds {PRINCIPLES} and one Markdown file a category"
        )
    principles = folder / PRINCIPLES
    if not principles.is_file():
        raise InputError(
            f"{principles}: is missing; write the principles of style and helpfulness there, in any form"
        )
    text = read_source(folder, principles).text
    if not text:
        raise InputError(
            f"{principles}: is empty; write the principles of style and helpfulness there, in any form"
        )
    parsed = [(_category(source), source) for source in _category_sources(folder)]
    _unique(parsed)
    categories = [hashed(category) for category in resolve_references(parsed)]
    categories.sort(key=lambda category: category.name)
    sha256 = digest("spec", text, [category.sha256 for category in categories])
    return Spec(folder, text, tuple(categories), sha256)


def load_templates(folder: Path) -> Templates:
    """The prompt texts of a policy folder: its own `templates/`, or else the ones that dalign ships."""
    own = folder / "templates"
    if not own.is_dir():
        return Templates(shipped("templates"))
    for path in sorted(own.glob("*.j2")):
        read_source(folder, path)
    return Templates(own)


def shipped(name: str) -> Path:
    """The folder of that name among the policies and templates that come with dalign."""
    specs = Path(dalign.__file__).parent / "specs"
    if not (specs / name).is_dir():
        known = sorted(path.name for path in specs.glob("*/"))
        raise InputError(
            f"{specs / name}: dalign ships nothing of this name; {did_you_mean(name, known)}"
        )
    return specs / name


def _category_sources(folder: Path) -> list[Source]:
    paths = sorted(
        path
        for path in folder.glob("*.md")
        if path.name not in (PRINCIPLES, "README.md")
        and not path.name.startswith(".")
        and not path.is_dir()
    )
    if not paths:
        raise InputError(
            f"{folder}: has no category; add one Markdown file a category, with front matter and '## Clauses'"
        )
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(
            f"{missing[0]}: is a link to a file that is not there; copy the file into the folder"
        )
    return [read_source(folder, path) for path in paths]


def _unique(parsed: Iterable[tuple[Category, Source]]) -> None:
    first: dict[str, Source] = {}
    for category, source in parsed:
        if category.name in first:
            other = first[category.name].path.name
            raise source.error(
                1, f"category {category.name!r} is defined in {other} too; keep one of the two"
            )
        first[category.name] = source


def _category(source: Source) -> Category:
    front, body = front_matter(source)
    before, found = sections(body, 2)
    _no_text(
        source,
        before,
        "before the first section; put it below '## Definitions', '## Clauses' or '## Style'",
    )
    by_name = _by_name(source, found, _SECTIONS)
    if "Clauses" not in by_name:
        raise source.error(
            body[0].number if body else 1,
            "has no section '## Clauses'; a category needs at least one clause",
        )
    definitions = _definitions(source, by_name["Definitions"]) if "Definitions" in by_name else ()
    clauses = _clauses(source, front["category"], by_name["Clauses"])
    style = _style(source, by_name["Style"]) if "Style" in by_name else ()
    place = Place(source.name, 1, 0, source.lines[-1].end)
    return Category(
        front["category"],
        front["version"],
        front["summary"],
        definitions,
        clauses,
        style,
        place=place,
    )


def _definitions(source: Source, section: Section) -> tuple[tuple[str, str], ...]:
    found: dict[str, tuple[int, str]] = {}
    for item in items(section.lines):
        match = _TERM.fullmatch(item.text) if item.bullet else None
        if not match:
            raise source.error(
                item.line, f"not a definition ({_short(item.text)!r}); write '- **term**: text'"
            )
        term = match["term"].strip()
        if term in found:
            raise source.error(
                item.line,
                f"term {term!r} is defined in line {found[term][0]} too; keep one of the two",
            )
        found[term] = (item.line, match["text"])
    return tuple((term, text) for term, (_, text) in found.items())


def _clauses(source: Source, category: str, section: Section) -> tuple[Clause, ...]:
    before, found = sections(section.lines, 3)
    _no_text(
        source, before, "before the first clause; put it below a heading '### KEY ruling: Title'"
    )
    if not found:
        raise source.error(
            section.heading.number, "has no clause; add one with a heading '### KEY ruling: Title'"
        )
    clauses: dict[str, Clause] = {}
    for part in found:
        clause = _clause(source, category, part)
        if clause.key in clauses:
            first = clauses[clause.key].place.line
            raise source.error(
                clause.place.line,
                f"clause id {clause.key!r} is taken by line {first}; give one of the two another id",
            )
        clauses[clause.key] = clause
    return tuple(clauses.values())


def _clause(source: Source, category: str, section: Section) -> Clause:
    line = section.heading.number
    match = _CLAUSE.fullmatch(section.title)
    form = "write '### KEY ruling: Title', as in '### S3 refuse: Instructions'"
    if not match:
        raise source.error(
            line, f"this clause has no id or no ruling ({_short(section.title)!r}); {form}"
        )
    key, title = match["key"], match["title"].strip()
    if not _KEY.fullmatch(key):
        raise source.error(line, f"not a clause id ({key!r}); use letters, digits, '-' and '_'")
    if not title:
        raise source.error(line, f"clause {key} has no title; {form}")
    ruling = _ruling(source, line, match["ruling"])
    prose, bullets = _clause_body(source, section)
    return Clause(
        category,
        key,
        ruling,
        title,
        "\n".join(prose),
        includes=bullets.get("includes", ()),
        excludes=bullets.get("excludes", ()),
        allowed=bullets.get("allowed", ()),
        disallowed=bullets.get("disallowed", ()),
        place=source.place(section),
    )


def _clause_body(source: Source, section: Section) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """The clause's prose, a line a paragraph, and its labelled bullets by label."""
    prose: list[str] = []
    bullets: dict[str, tuple[str, ...]] = {}
    for item in items(section.lines):
        match = _LABEL.fullmatch(item.text) if item.bullet else None
        if not match:
            prose.append(f"- {item.text}" if item.bullet else item.text)
            continue
        label, text = match["label"].lower(), _unquoted(match["text"].strip())
        if label not in _LABELS:
            raise source.error(
                item.line, f"unknown label ({match['label']!r}); {did_you_mean(label, _LABELS)}"
            )
        if not text:
            raise source.error(
                item.line,
                f"nothing follows {label!r}; write it on the same line or leave the bullet out",
            )
        bullets[label] = (*bullets.get(label, ()), text)
    return prose, bullets


def _style(source: Source, section: Section) -> tuple[tuple[Ruling, str], ...]:
    before, found = sections(section.lines, 3)
    _no_text(
        source,
        before,
        "before the first style guide; put it below '### refuse', '### safe-complete' or '### comply'",
    )
    by_name = _by_name(source, found, RULINGS)
    return tuple(
        (ruling, _prose(items(by_name[ruling].lines))) for ruling in RULINGS if ruling in by_name
    )


def _prose(found: Iterable[Item]) -> str:
    return "\n".join(f"- {item.text}" if item.bullet else item.text for item in found)


def _by_name(
    source: Source, found: Iterable[Section], known: tuple[str, ...]
) -> dict[str, Section]:
    by_name: dict[str, Section] = {}
    for section in found:
        line = section.heading.number
        if section.title not in known:
            raise source.error(
                line, f"unknown section ({section.title!r}); {did_you_mean(section.title, known)}"
            )
        if section.title in by_name:
            first = by_name[section.title].heading.number
            raise source.error(
                line, f"section {section.title!r} stands in line {first} too; join the two"
            )
        by_name[section.title] = section
    return by_name


def _no_text(source: Source, lines: Iterable[Line], where: str) -> None:
    for line in lines:
        # A title of the file's own ("# Self-harm") says nothing that the front matter does not.
        if line.text.strip() and not line.text.startswith("# "):
            raise source.error(line.number, f"text ({_short(line.text)!r}) stands {where}")


def _ruling(source: Source, line: int, word: str) -> Ruling:
    for ruling in RULINGS:
        if word == ruling:
            return ruling
    raise source.error(line, f"unknown ruling ({word!r}); {did_you_mean(word, RULINGS)}")


def _unquoted(text: str) -> str:
    for first, last in _QUOTES:
        if len(text) >= 2 and text.startswith(first) and text.endswith(last):
            return text[1:-1].strip()
    return text


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
