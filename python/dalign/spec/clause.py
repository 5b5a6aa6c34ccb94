"""A category's clauses: heading, prose, then bullets with a label."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, get_args

from dalign.errors import did_you_mean
from dalign.spec.outline import Item, Section, Source, items, sections
from dalign.spec.types import RULINGS, SEVERITIES, Clause, Ruling, Severity
from dalign.text import short

_LABELS = ("includes", "excludes", "allowed", "disallowed")
_EXAMPLES = ("allowed", "disallowed")
_HEADING = re.compile(r"(?P<key>[^\s:]+)\s+(?P<ruling>[^\s:]+)\s*:\s*(?P<title>.*)")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LABEL = re.compile(r"(?P<label>[A-Za-z]+):(?:\s+|$)(?P<text>.*)")
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))
_FORM = "write '### KEY ruling: Title', as in '### S3 refuse: Instructions'"


class _Heading(NamedTuple):
    key: str
    ruling: Ruling
    title: str


def clauses(source: Source, category: str, found: Iterable[Section]) -> tuple[Clause, ...]:
    """The clauses of the sections '## Clauses'; what is no clause, or has another's id, is reported."""
    by_key: dict[str, Clause] = {}
    for section in found:
        before, parts = sections(section.lines, 3)
        for line in before:
            if line.text.strip():
                source.report(
                    line.number,
                    "unowned-line",
                    f"text ({short(line.text.strip())!r}) stands before the first clause; put it below a heading '### KEY ruling: Title'",
                )
        if not parts:
            source.report(
                section.heading.number,
                "no-clauses",
                "has no clause; add one with a heading '### KEY ruling: Title'",
            )
        for part in parts:
            clause = _clause(source, category, part)
            if clause is None:
                continue
            if clause.key in by_key:
                first = by_key[clause.key].place.line
                source.report(
                    clause.place.line,
                    "duplicate-id",
                    f"clause id {clause.key!r} is taken by line {first}; give one of the two another id",
                    clause.id,
                )
                continue
            by_key[clause.key] = clause
    return tuple(by_key.values())


def _clause(source: Source, category: str, section: Section) -> Clause | None:
    heading = _heading(source, category, section)
    if heading is None:
        return None
    clause_id = f"{category}.{heading.key}"
    body = _Body(source, clause_id)
    for item in items(source, section.lines, f"clause {heading.key}"):
        body.take(item)
    return Clause(
        category,
        heading.key,
        heading.ruling,
        heading.title,
        "\n".join(body.prose),
        body.severity,
        includes=body.of("includes"),
        excludes=body.of("excludes"),
        allowed=body.of("allowed"),
        disallowed=body.of("disallowed"),
        place=source.place(section),
        lines=body.lines,
    )


def _heading(source: Source, category: str, section: Section) -> _Heading | None:
    line = section.heading.number
    match = _HEADING.fullmatch(section.title)
    if not match:
        source.report(
            line,
            "clause-heading",
            f"this clause has no id or no ruling ({short(section.title)!r}); {_FORM}",
        )
        return None
    key, title = match["key"], match["title"].strip()
    if not _KEY.fullmatch(key):
        source.report(
            line,
            "clause-heading",
            f"not a clause id ({key!r}); use letters, digits, '-' and '_'",
        )
        return None
    if not title:
        source.report(
            line, "clause-heading", f"clause {key} has no title; {_FORM}", f"{category}.{key}"
        )
    return _Heading(
        key, _ruling(source, line, match["ruling"], f"{category}.{key}"), title or "(untitled)"
    )


def _ruling(source: Source, line: int, word: str, clause_id: str) -> Ruling:
    if word not in get_args(Ruling):
        source.report(
            line,
            "unknown-ruling",
            f"unknown ruling ({word!r}); {did_you_mean(word, RULINGS)}",
            clause_id,
        )
    return next((ruling for ruling in RULINGS if word == ruling), "refuse")


class _Body:
    """What stands below a clause's heading."""

    def __init__(self, source: Source, clause_id: str) -> None:
        self.source = source
        self.clause_id = clause_id
        self.prose: list[str] = []
        self.severity: Severity | None = None
        self.lines: dict[str, int] = {}
        self._bullets: dict[str, list[str]] = {}
        self._labelled = False

    def of(self, label: str) -> tuple[str, ...]:
        """The texts of the bullets with that label."""
        return tuple(self._bullets.get(label, ()))

    def take(self, item: Item) -> None:
        """The next paragraph or bullet."""
        match = _LABEL.fullmatch(item.text) if item.bullet else None
        if not match:
            self._take_prose(item)
            return
        self._labelled = True
        label, text = match["label"].lower(), match["text"].strip()
        known = (*_LABELS, "severity")
        if label not in known:
            self._report(
                item,
                "unknown-label",
                f"unknown label ({match['label']!r}); {did_you_mean(label, known)}",
            )
            return
        if label in _EXAMPLES:
            text = _unquoted(text)
        if not text:
            self._report(
                item,
                "empty-bullet",
                f"nothing follows {label!r}; write it on the same line or leave the bullet out",
            )
        elif label == "severity":
            self._take_severity(item, text)
        else:
            self._bullets.setdefault(label, []).append(text)
            self.lines[text] = item.line

    def _take_prose(self, item: Item) -> None:
        if self._labelled:
            self._report(
                item,
                "unowned-line",
                f"text ({short(item.text)!r}) stands after the clause's labelled bullets; put it above them, or give it a label",
            )
            return
        self.prose.append(f"- {item.text}" if item.bullet else item.text)

    def _take_severity(self, item: Item, text: str) -> None:
        if self.severity is not None:
            self._report(item, "severity", "a second severity; keep one of the two")
        elif text not in SEVERITIES:
            self._report(
                item, "severity", f"unknown severity ({text!r}); {did_you_mean(text, SEVERITIES)}"
            )
        else:
            self.severity = next(severity for severity in SEVERITIES if severity == text)

    def _report(self, item: Item, kind: str, sentence: str) -> None:
        self.source.report(item.line, kind, sentence, self.clause_id)


def _unquoted(text: str) -> str:
    for first, last in _QUOTES:
        if len(text) >= 2 and text.startswith(first) and text.endswith(last):
            return text[1:-1].strip()
    return text
