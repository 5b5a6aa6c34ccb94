"""A compiled policy as Markdown again: what compiles to the same policy, places aside."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

from dalign.spec.principles import FILE
from dalign.spec.types import Category, Change, Clause, Principles, Spec

_WIDTH = 120


def write_spec(spec: Spec, folder: Path) -> None:
    """Writes `principles.md` and one file a category into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(render_principles(spec.principle), "utf-8")
    for category in spec.categories:
        (folder / f"{category.name}.md").write_text(render_category(category), "utf-8")


def render_category(category: Category) -> str:
    """A category's file."""
    summary = [f"summary: {json.dumps(category.summary)}"]
    if category.summary.isprintable():
        summary = ["summary: >-", *(f"  {line}" for line in _wrapped(category.summary))]
    front = [f"category: {category.name}", f"version: {json.dumps(category.version)}", *summary]
    whole = ["---", *front, "---", "", detail_text(category), *_changelog(category.changelog)]
    return "\n".join(whole) + "\n"


def detail_text(category: Category) -> str:
    """A category in detail: its definitions, clauses and style guides."""
    parts = []
    if category.definitions:
        terms = [_bullet(f"**{each.term}**: {each.text}") for each in category.definitions]
        parts += ["## Definitions", "", *terms, ""]
    parts += ["## Clauses"]
    for clause in category.clauses:
        parts += ["", *clause_lines(clause)]
    if category.style:
        parts += ["", "## Style"]
        for guide in category.style:
            parts += ["", f"### {guide.ruling}", "", *_prose(guide.text)]
    return "\n".join(parts)


def render_principles(principles: Principles) -> str:
    """The principles' file. `text` holds the definitions already, the changelog not."""
    front = []
    if principles.name or principles.version:
        name, version = json.dumps(principles.name), json.dumps(principles.version)
        front = ["---", f"name: {name}", f"version: {version}", "---", ""]
    return "\n".join([*front, principles.text, *_changelog(principles.changelog)]) + "\n"


def clause_lines(clause: Clause) -> list[str]:
    """A clause's heading, prose and bullets."""
    lines = [f"### {clause.key} {clause.ruling}: {clause.title}", ""]
    if clause.text:
        lines += [*_prose(clause.text), ""]
    bullets = [f"severity: {clause.severity}"] if clause.severity else []
    bullets += [f"includes: {text}" for text in clause.includes]
    bullets += [f"excludes: {text}" for text in clause.excludes]
    ruled = {text: f" (see {clause_id})" for text, clause_id in clause.ruled}
    bullets += [f'allowed: "{text}"{ruled.get(text, "")}' for text in clause.allowed]
    bullets += [f'disallowed: "{text}"{ruled.get(text, "")}' for text in clause.disallowed]
    return [*lines, *map(_bullet, bullets)] if bullets else lines[:-1]


def _prose(text: str) -> list[str]:
    """A paragraph or a bullet for each line of the text, paragraphs apart from each other."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("- "):
            lines.append(_bullet(line[2:]))
        else:
            lines += [*([""] if lines else []), *_wrapped(line), ""]
    return lines if not lines or lines[-1] else lines[:-1]


def _bullet(text: str) -> str:
    return "\n  ".join(_wrapped(f"- {text}"))


def _wrapped(text: str) -> list[str]:
    """The text on lines of at most 120 characters, none of which reads as a bullet or a heading by chance."""
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    # A later line that starts with a mark would begin a new unit.
    return [text] if any(line.startswith(("-", "*", "+", "#")) for line in lines[1:]) else lines


def _changelog(changes: Sequence[Change]) -> list[str]:
    entries = [_bullet(f"{change.version}: {change.text}") for change in changes]
    return ["", "## Changelog", "", *entries] if entries else []
