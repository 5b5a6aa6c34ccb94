"""References between clauses: `see S4` and `category.S4` in a clause's includes and excludes."""

from __future__ import annotations

import re
from collections.abc import Collection, Container
from dataclasses import replace

from dalign.errors import did_you_mean
from dalign.spec.outline import Source
from dalign.spec.types import Category, Clause

_NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?"
_CHAIN = rf"{_NAME}(?:(?:\s*,\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+){_NAME})*"
_WHOLE = re.compile(_CHAIN)
SEE = re.compile(
    rf"(?P<open>\(\s*)?\bsee\s+(?:also\s+)?(?P<names>{_CHAIN})(?P<close>\s*\))?", re.IGNORECASE
)
_DOTTED = re.compile(r"(?<![\w.-])[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?![\w-])")
_ID_SHAPED = re.compile(r"[A-Za-z]{1,4}[0-9]+[a-z]?")
_AND = {"and", "or"}


class _References:
    """Resolves the names that stand in one clause; `known` are the ids of all clauses."""

    def __init__(self, known: Collection[str], clause: Clause, source: Source) -> None:
        self.known = known
        self.clause = clause
        self.source = source

    def resolve(self, text: str) -> str:
        """`text` with every reference as a full clause id."""
        names = [name for name in re.findall(_NAME, text) if name not in _AND]
        if _WHOLE.fullmatch(text) and all(self._is_name(name) for name in names):
            return self._replace(text, sure=True)
        text = SEE.sub(self._see, text)
        return _DOTTED.sub(lambda match: self._one(match[0], sure=False), text)

    def clause_of(self, example: str, name: str) -> str:
        """The full id of the clause that rules an example."""
        return self._one(name, sure=True, line=self.clause.lines[example])

    def _see(self, match: re.Match[str]) -> str:
        # "(see S4)" can only be a reference; "see a doctor" is prose.
        names = self._replace(match["names"], sure=bool(match["open"] and match["close"]))
        return match[0].replace(match["names"], names, 1)

    def _replace(self, names: str, *, sure: bool) -> str:
        return re.sub(_NAME, lambda match: self._one(match[0], sure=sure), names)

    def _is_name(self, name: str) -> bool:
        return self._full(name) in self.known or _is_id_shaped(name)

    def _full(self, name: str) -> str:
        return name if "." in name else f"{self.clause.category}.{name}"

    def _one(self, name: str, *, sure: bool, line: int | None = None) -> str:
        full = self._full(name)
        if name in _AND or full in self.known:
            return name if name in _AND else full
        category, dot, _ = name.partition(".")
        named = bool(dot) and any(each.startswith(f"{category}.") for each in self.known)
        if sure or named or _is_id_shaped(name):
            what = f"clause {self.clause.key} refers to a clause that is not there ({name!r}); {did_you_mean(full, self.known)}"
            self.source.report(line or self._line(name), "dangling-reference", what, self.clause.id)
        return name

    def _line(self, name: str) -> int:
        bullets = (*self.clause.includes, *self.clause.excludes)
        named = (self.clause.lines[text] for text in bullets if name in text)
        return next(named, self.clause.place.line)


def _is_id_shaped(name: str) -> bool:
    return bool(_ID_SHAPED.fullmatch(name.rsplit(".", 1)[-1]))


def resolve_references(categories: list[tuple[Category, Source]]) -> list[Category]:
    """The categories with each reference as a full clause id; one that leads nowhere is reported."""
    known = {clause.id: None for category, _ in categories for clause in category.clauses}
    resolved = []
    for category, source in categories:
        clauses = []
        for clause in category.clauses:
            references = _References(known, clause, source)
            texts = {old: references.resolve(old) for old in (*clause.includes, *clause.excludes)}
            includes = tuple(texts[text] for text in clause.includes)
            excludes = tuple(texts[text] for text in clause.excludes)
            lines = {**clause.lines, **{new: clause.lines[old] for old, new in texts.items()}}
            ruled = tuple((text, references.clause_of(text, name)) for text, name in clause.ruled)
            clauses.append(
                replace(clause, includes=includes, excludes=excludes, ruled=ruled, lines=lines)
            )
        resolved.append(replace(category, clauses=tuple(clauses)))
    return resolved


def targets(clause: Clause, known: Container[str]) -> dict[str, int]:
    """The clauses that a compiled clause refers to, by id, each with the line of its bullet."""
    found: dict[str, int] = {}
    for text in (*clause.includes, *clause.excludes):
        for name in _DOTTED.findall(text):
            if name in known:
                found.setdefault(name, clause.lines.get(text, clause.place.line))
    return found
