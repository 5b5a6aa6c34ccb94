"""A compiled policy: addressed units (clauses, definitions, style guides, principles), each with its place and hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Ruling = Literal["comply", "refuse", "safe-complete"]
RULINGS: tuple[Ruling, ...] = ("comply", "refuse", "safe-complete")
# What a draft has in place of a ruling that nobody has decided; no policy loads with it.
UNDECIDED = "TODO"

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

# The category of benign and capability rows: no clause governs it.
GENERAL = "general"


@dataclass(frozen=True)
class Place:
    """Where a unit stands: a file, its first line (from 1) and its byte span in that file."""

    file: str
    line: int
    start: int
    end: int


NOWHERE = Place("", 0, 0, 0)


@dataclass(frozen=True)
class Clause:
    """One rule of a category, addressed as `category.key`.

    `allowed` are example prompts to be complied with, `disallowed` ones that are not. The order of the examples, and of
    what is included and excluded, carries no meaning. `ruled` names the clause that rules an example in this one's place.
    `lines` has the line of each labelled bullet by its text.
    """

    category: str
    key: str
    ruling: Ruling
    title: str
    text: str
    severity: Severity | None = None
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    disallowed: tuple[str, ...] = ()
    ruled: tuple[tuple[str, str], ...] = ()
    sha256: str = ""
    place: Place = field(default=NOWHERE, compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    @property
    def id(self) -> str:
        """The clause's stable address, such as `self-harm.S3`."""
        return f"{self.category}.{self.key}"


@dataclass(frozen=True)
class Definition:
    """What a term means, in one category or, from the principles, in all."""

    term: str
    text: str
    sha256: str = ""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class StyleGuide:
    """How to refuse, safe-complete or comply in one category, once its clauses have ruled."""

    ruling: Ruling
    text: str
    sha256: str = ""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Change:
    """One entry of a changelog: what a version brought."""

    version: str
    text: str


@dataclass(frozen=True)
class Category:
    """One category's content policy and style guide. `summary` goes into every category's prompt.

    `front` has the places of the front matter's values by their keys.
    """

    name: str
    version: str
    summary: str
    definitions: tuple[Definition, ...] = ()
    clauses: tuple[Clause, ...] = ()
    style: tuple[StyleGuide, ...] = ()
    changelog: tuple[Change, ...] = ()
    sha256: str = ""
    summary_sha256: str = ""
    place: Place = field(default=NOWHERE, compare=False)
    front: Mapping[str, Place] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Section:
    """One part of the principles. The first may have no title: what stands before any heading."""

    title: str
    text: str
    sha256: str = ""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Principles:
    """What holds in every category: `principles.md`. `text` is what prompts show of it.

    `name` and `version` are the policy's own, empty where the file has no front matter.
    """

    text: str
    sections: tuple[Section, ...] = ()
    definitions: tuple[Definition, ...] = ()
    changelog: tuple[Change, ...] = ()
    name: str = ""
    version: str = ""
    front: Mapping[str, Place] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Spec:
    """A whole policy folder, compiled. `categories` is in the order of the names."""

    folder: Path = field(compare=False)
    principle: Principles
    categories: tuple[Category, ...]
    sha256: str = ""

    @property
    def principles(self) -> str:
        """The principles as prompts show them."""
        return self.principle.text

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the categories, sorted."""
        return tuple(category.name for category in self.categories)

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Every category that a prompt may have: `general` too."""
        return (*self.names, GENERAL)

    @property
    def versions(self) -> dict[str, str]:
        """The version of the policy as a whole, where it has one, and of each category."""
        own = {"principles": self.principle.version} if self.principle.version else {}
        return own | {category.name: category.version for category in self.categories}

    def category(self, name: str) -> Category | None:
        """The category of that name; None for `general`. Raises KeyError for an unknown one."""
        if name == GENERAL:
            return None
        return {category.name: category for category in self.categories}[name]

    def clauses(self) -> Iterator[Clause]:
        """All clauses, category by category."""
        for category in self.categories:
            yield from category.clauses

    def clause(self, clause_id: str) -> Clause:
        """The clause addressed as `category.key`. Raises KeyError for an unknown one."""
        return {clause.id: clause for clause in self.clauses()}[clause_id]
