"""What is wrong in a policy: raised at the first one when a policy is loaded, gathered when it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dalign.errors import InputError

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
    "repeated-example": "an example that stands twice",
    "similar-summaries": "two categories whose summaries are nearly the same",
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

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class SourceError(InputError):
    """A file of a policy that cannot be read, as a finding of its own."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding), kind=finding.kind, path=finding.file, line=finding.line)
        self.finding = finding

    def __reduce__(self) -> tuple[type[SourceError], tuple[Finding]]:
        return type(self), (self.finding,)


class Strict:
    """Takes findings by raising the first as an InputError: what a run needs."""

    def report(self, finding: Finding) -> None:
        """Raises SourceError."""
        raise SourceError(finding)


@dataclass
class Gathered:
    """Takes findings by keeping them: what `dalign spec check` needs. The parser mends what it can and goes on."""

    findings: list[Finding] = field(default_factory=list)

    def report(self, finding: Finding) -> None:
        """Keeps it."""
        self.findings.append(finding)


Reports = Strict | Gathered
