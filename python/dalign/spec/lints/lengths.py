"""Summaries, titles and clauses that are longer or shorter than a reader can recall, and severities that weigh nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dalign.spec.findings import Finding, finding_at
from dalign.spec.types import Place, Spec

SUMMARY_WORDS = (50, 90)
TITLE_WORDS = (2, 7)
SENTENCES = (2, 6)
_SHORT = {
    "summary-length": "say what it takes in, what follows, and what belongs elsewhere",
    "title-length": "say what sets it apart",
    "clause-length": "say when it applies, what follows, and what to leave out",
}
# Of an abbreviation ("e.g.", "Dr.") or a number no sentence ends: what follows is to begin like one.
_END = re.compile(r"[.!?。！？][\"'”’)*]*(?=\s+[^a-z\s]|\s*$|\s*\n)|(?<=[。！？])")


def lengths(spec: Spec) -> Iterator[Finding]:
    """Kinds `summary-length`, `title-length` and `clause-length`."""
    for category in spec.categories:
        words = len(category.summary.split())
        place = category.front.get("summary", category.place)
        yield from _told(spec, place, "summary-length", f"the summary of '{category.name}'", words, SUMMARY_WORDS)  # fmt: skip
    for clause in spec.clauses():
        words, sentences = len(clause.title.split()), _sentences(clause.text)
        sizes = (
            ("title-length", f"the title of clause {clause.key}", words, TITLE_WORDS),
            ("clause-length", f"clause {clause.key}", sentences, SENTENCES),
        )  # fmt: skip
        for kind, what, size, bounds in sizes:
            if size:
                yield from _told(spec, clause.place, kind, what, size, bounds, clause.id)


def _told(
    spec: Spec,
    place: Place,
    kind: str,
    what: str,
    size: int,
    bounds: tuple[int, int],
    clause: str = "",
) -> Iterator[Finding]:
    least, most = bounds
    if not least <= size <= most:
        unit = "sentence" if kind == "clause-length" else "word"
        way_out = _SHORT[kind] if size < least else "keep what decides, or split it"
        text = f"{what} has {size} {unit}{'s' * (size != 1)}, and {least} to {most} are recalled well; {way_out}"
        yield finding_at(spec, place, kind, text, clause)


def _sentences(text: str) -> int:
    """Sentences and bullets of a clause's prose."""
    return sum(max(1, len(_END.findall(line))) for line in text.splitlines() if line.strip())


def severities(spec: Spec) -> Iterator[Finding]:
    """Kind `needless-severity`: it weighs a wrong ruling of what is not to be complied with."""
    for clause in spec.clauses():
        if clause.ruling == "comply" and clause.severity:
            text = f"clause {clause.key} rules 'comply' and has the severity {clause.severity!r}; leave it out"
            yield finding_at(spec, clause.place, "needless-severity", text, clause.id)
