"""A category's clauses: heading, prose, then bullets with a label."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dalign.errors import did_you_mean
from dalign.spec.outline import Item, Section, Source, items, sections
from dalign.spec.types import RULINGS, SEVERITIES, UNDECIDED, Clause, Ruling, Severity
from dalign.text import short

_LABELS = ("includes", "excludes", "allowed", "disallowed")
_HEADING = re.compile(r"(?P<key>[^\s:]+)\s+(?P<ruling>[^\s:]+)\s*:\s*(?P<title>.*)")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LABEL = re.compile(r"(?P<label>[A-Za-z]+):(?:\s+|$)(?P<text>.*)")
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))
# An example, and the clause that rules it.
_RULED = re.compile(r"(?P<quoted>\".*\"|“.*”|'.*')\s*\(\s*see\s+(?P<clause>[A-Za-z0-9_.-]+)\s*\)")
_FORM = "write '### KEY ruling: Title', as in '### S3 refuse: Instructions'"


def clauses(source: Source, category: str, found: Iterable[Section]) -> tuple[Clause, ...]:
    """The clauses of the sections '## Clauses'; what is no clause, or has another's id, is reported."""
    by_key: dict[str, Clause] = {}
    for section in found:
        before, parts = sections(section.lines, 3)
        source.unowned(
            before, "before the first clause; put it below a heading '### KEY ruling: Title'"
        )
        if not parts:
            what = "has no clause; add one with a heading '### KEY ruling: Title'"
            source.report(section.heading.number, "no-clauses", what)
        for part in parts:
            clause = _clause(source, category, part)
            if clause is None:
                continue
            first = by_key.setdefault(clause.key, clause)
            if first is not clause:
                what = f"clause id {clause.key!r} is taken by line {first.place.line}; give one of the two another id"
                source.report(clause.place.line, "duplicate-id", what, clause.id)
    return tuple(by_key.values())


def _clause(source: Source, category: str, section: Section) -> Clause | None:
    heading = _heading(source, category, section)
    if heading is None:
        return None
    key, ruling, title = heading
    body = _Body(source, f"{category}.{key}")
    for item in items(source, section.lines, f"clause {key}"):
        body.take(item)
    includes, excludes, allowed, disallowed = (tuple(body.bullets[label]) for label in _LABELS)
    return Clause(
        category,
        key,
        ruling,
        title,
        "\n".join(body.prose),
        body.severity,
        includes,
        excludes,
        allowed,
        disallowed,
        tuple(body.ruled.items()),
        place=source.place(section.heading, section.lines),
        lines=body.lines,
    )


def _heading(source: Source, category: str, section: Section) -> tuple[str, Ruling, str] | None:
    """Key, ruling and title."""

    def report(kind: str, what: str, clause: str = "") -> None:
        source.report(section.heading.number, kind, what, clause)

    match = _HEADING.fullmatch(section.title)
    if not match:
        what = f"this clause has no id or no ruling ({short(section.title)!r}); {_FORM}"
        report("clause-heading", what)
        return None
    key, word, title = match["key"], match["ruling"], match["title"].strip()
    if not _KEY.fullmatch(key):
        what = f"not a clause id ({key!r}); use letters, digits, '-' and '_'"
        report("clause-heading", what)
        return None
    clause_id = f"{category}.{key}"
    if not title:
        report("clause-heading", f"clause {key} has no title; {_FORM}", clause_id)
    ruling = next((ruling for ruling in RULINGS if word == ruling), None)
    if word == UNDECIDED:
        what = f"the ruling of clause {key} is still to be decided ({UNDECIDED}); write one of {', '.join(RULINGS)} in its place"
        report("undecided", what, clause_id)
    elif ruling is None:
        what = f"unknown ruling ({word!r}); {did_you_mean(word, RULINGS)}"
        report("unknown-ruling", what, clause_id)
    return key, ruling or "refuse", title or "(untitled)"


class _Body:
    """What stands below a clause's heading."""

    def __init__(self, source: Source, clause_id: str) -> None:
        self.source = source
        self.clause_id = clause_id
        self.prose: list[str] = []
        self.severity: Severity | None = None
        self.bullets: dict[str, list[str]] = {label: [] for label in _LABELS}
        self.lines: dict[str, int] = {}
        self.ruled: dict[str, str] = {}
        self._labelled = False

    def take(self, item: Item) -> None:
        """The next paragraph or bullet."""
        match = _LABEL.fullmatch(item.text) if item.bullet else None
        if not match:
            if self._labelled:
                what = f"text ({short(item.text)!r}) stands after the clause's labelled bullets; put it above them, or give it a label"
                self._report(item, "unowned-line", what)
            else:
                self.prose.append(item.prose)
            return
        self._labelled = True
        label, text = match["label"].lower(), match["text"].strip()
        known = (*_LABELS, "severity")
        if label not in known:
            what = f"unknown label ({match['label']!r}); {did_you_mean(label, known)}"
            self._report(item, "unknown-label", what)
            return
        if label in ("allowed", "disallowed"):
            ruled = _RULED.fullmatch(text)
            text = _unquoted(ruled["quoted"] if ruled else text)
            if ruled and text:
                self.ruled[text] = ruled["clause"]
        if not text:
            what = f"nothing follows {label!r}; write it on the same line or leave the bullet out"
            self._report(item, "empty-bullet", what)
        elif label == "severity":
            self._take_severity(item, text)
        else:
            self.bullets[label].append(text)
            self.lines[text] = item.line

    def _take_severity(self, item: Item, text: str) -> None:
        if self.severity is not None:
            self._report(item, "severity", "a second severity; keep one of the two")
            return
        self.severity = next((severity for severity in SEVERITIES if severity == text), None)
        if self.severity is None:
            what = f"unknown severity ({text!r}); {did_you_mean(text, SEVERITIES)}"
            self._report(item, "severity", what)

    def _report(self, item: Item, kind: str, sentence: str) -> None:
        self.source.report(item.line, kind, sentence, self.clause_id)


def _unquoted(text: str) -> str:
    for first, last in _QUOTES:
        if len(text) >= 2 and text.startswith(first) and text.endswith(last):
            return text[1:-1].strip()
    return text
