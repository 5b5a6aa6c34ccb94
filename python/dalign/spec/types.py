"""A compiled policy: categories of addressed clauses, each with its place in the file and its hash."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Ruling = Literal["comply", "refuse", "safe-complete"]
RULINGS: tuple[Ruling, ...] = ("comply", "refuse", "safe-complete")

# The category of benign and capability rows: no clause governs it.
GENERAL = "general"


@dataclass(frozen=True)
class Place:
    """Where a unit stands: a file, its first line (from 1) and its byte span in that file."""

    file: str
    line: int
    start: int
    end: int


@dataclass(frozen=True)
class Clause:
    """One rule of a category, addressed as `category.key`."""

    category: str
    key: str
    ruling: Ruling
    title: str
    text: str
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    disallowed: tuple[str, ...] = ()
    sha256: str = ""
    place: Place = field(default=Place("", 0, 0, 0), compare=False)

    @property
    def id(self) -> str:
        """The clause's stable address, such as `selfharm.S3`."""
        return f"{self.category}.{self.key}"


@dataclass(frozen=True)
class Category:
    """One category's content policy and style guide. `summary` goes into every category's prompt."""

    name: str
    version: str
    summary: str
    definitions: tuple[tuple[str, str], ...] = ()
    clauses: tuple[Clause, ...] = ()
    style: tuple[tuple[Ruling, str], ...] = ()
    sha256: str = ""
    place: Place = field(default=Place("", 0, 0, 0), compare=False)


@dataclass(frozen=True)
class Spec:
    """A whole policy folder, compiled. `categories` is in the order of the names."""

    folder: Path = field(compare=False)
    principles: str
    categories: tuple[Category, ...]
    sha256: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the categories, sorted."""
        return tuple(category.name for category in self.categories)

    def category(self, name: str) -> Category | None:
        """The category of that name; None for `general`. Raises KeyError for an unknown one."""
        if name == GENERAL:
            return None
        for category in self.categories:
            if category.name == name:
                return category
        raise KeyError(name)

    def clause(self, clause_id: str) -> Clause:
        """The clause addressed as `category.key`. Raises KeyError for an unknown one."""
        for category in self.categories:
            for clause in category.clauses:
                if clause.id == clause_id:
                    return clause
        raise KeyError(clause_id)
