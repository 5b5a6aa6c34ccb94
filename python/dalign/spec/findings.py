"""What is wrong in a policy: raised at the first one when a policy is loaded, gathered when it is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dalign.errors import InputError
from dalign.spec.types import Place, Spec

# Every kind of finding, by what it looks for.
KINDS = {
    "unreadable": "a file that cannot be read, or lies outside the folder",
    "empty-file": "a file without content",
    "no-principles": "no principles.md",
    "front-matter": "front matter that is missing or wrong",
    "version": "a version that is not semantic",
    "changelog": "a changelog without the version in force",
    "duplicate-category": "two files of one category",
    "duplicate-section": "a section that stands twice",
    "duplicate-term": "a term that is defined twice",
    "duplicate-id": "a clause id that is taken",
    "no-clauses": "a category without clauses",
    "clause-heading": "a heading that is no clause's",
    "unknown-ruling": "a ruling that is none of the three",
    "unknown-label": "a bullet whose label is unknown",
    "empty-bullet": "a label that nothing follows",
    "severity": "a severity that is unknown or stands twice",
    "unowned-line": "text that belongs to no unit",
    "undefined-term": "a marked term that nothing defines",
    "unused-term": "a defined term that nothing marks",
    "dangling-reference": "a reference to a clause that is not there",
    "circular-reference": "references that lead in a circle",
    "empty-clause": "a clause without prose",
    "no-example": "a clause without an allowed or a disallowed example",
    "no-style": "a ruling that has no style guide",
    "conflicting-examples": "one prompt with two rulings",
    "example-clause": "an example that names a clause which rules otherwise",
    "repeated-example": "an example that stands twice",
    "similar-summaries": "two categories whose summaries are nearly the same",
    "hidden-character": "a control, bidi or other character that nobody sees",
    "over-long": "a category with too many tokens",
    "template": "a prompt template that cannot be used",
    "golden": "a golden case that does not fit the policy",
    "contradiction": "two clauses that a judge says contradict each other",
    "ruled-otherwise": "an example or golden case that a judge rules otherwise",
}


@dataclass(frozen=True)
class Finding:
    """One thing to mend. `line` is from 1; `clause` is a clause's id, empty where no clause is meant."""

    file: Path
    line: int
    kind: str
    text: str
    clause: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of finding; give it a row in KINDS")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class SourceError(InputError):
    """A file of a policy that cannot be read, as a finding of its own."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding), kind=finding.kind, path=finding.file, line=finding.line)
        self.finding = finding

    def __reduce__(self) -> tuple[type[SourceError], tuple[Finding]]:
        return type(self), (self.finding,)


# Takes a finding: `raised` for what a run needs; for a check, which gathers, the `append` of a list. The parser
# then mends what it can and goes on.
Reports = Callable[[Finding], None]


def raised(finding: Finding) -> None:
    """Raises the finding as a SourceError."""
    raise SourceError(finding)


def finding_at(spec: Spec, place: Place, kind: str, text: str, clause: str = "") -> Finding:
    """A finding at a place of the policy."""
    return Finding(spec.folder / place.file, place.line, kind, text, clause)
