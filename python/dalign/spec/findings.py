"""What is wrong in a policy: raised at the first one when a policy is loaded, gathered when it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dalign.errors import InputError


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
        super().__init__(str(finding))
        self.finding = finding


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
