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
    "undecided": "a ruling that is still to be decided",
    "against-heading": "a clause whose prose rules otherwise than its heading",
    "against-guide": "a style guide that rules otherwise than its heading",
    "password": "an exception for whoever says the word",
    "vague": "words that each reader takes otherwise",
    "todo": "a mark of what was left for later",
    "summary-length": "a summary that is too short or too long to tell where a prompt belongs",
    "title-length": "a title that cannot be recalled",
    "clause-length": "a clause that says too little or too much",
    "needless-severity": "a severity on a clause that complies",
    "unknown-label": "a bullet whose label is unknown",
    "empty-bullet": "a label that nothing follows",
    "severity": "a severity that is unknown or stands twice",
    "unowned-line": "text that belongs to no unit",
    "undefined-term": "a marked term that nothing defines",
    "unused-term": "a defined term that nothing marks",
    "shadowed-term": "a term of the principles that a category defines again",
    "dangling-reference": "a reference to a clause or policy that is not there",
    "arrow-direction": "a reference to a milder ruling",
    "other-category": "a reference to a clause that is not in the prompt",
    "circular-reference": "references that lead in a circle",
    "empty-clause": "a clause without prose",
    "no-example": "a clause without an allowed or a disallowed example",
    "no-style": "a ruling that has no style guide",
    "conflicting-examples": "one prompt with two rulings",
    "example-clause": "an example that names a clause which rules otherwise",
    "repeated-example": "an example that stands twice, or nearly so",
    "example-form": "an example that is no whole message between double quotes",
    "similar-summaries": "two categories whose summaries are nearly the same",
    "hidden-character": "a control, bidi or other character that nobody sees",
    "over-long": "a category with too many tokens",
    "template": "a prompt template that cannot be used",
    "golden": "a golden case that does not fit the policy",
    "golden-example": "a golden case whose prompt is an example",
    "golden-coverage": "a clause without a passing and a failing golden case",
    "golden-trivial": "golden cases on which a judge does well that reads no policy",
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
