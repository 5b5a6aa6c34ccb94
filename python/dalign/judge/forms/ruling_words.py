"""How a reply to a question of ruling names clause and ruling: in its last lines, or as a policy's `templates/ruling.toml` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

from dalign._core import Pattern
from dalign.errors import InputError, did_you_mean
from dalign.parsing import UnreadableError, toml_table
from dalign.pattern import read_pattern
from dalign.spec.outline import read_source
from dalign.spec.templates import Templates
from dalign.spec.types import RULINGS, Ruling, Spec

FILE = "ruling.toml"
NO_CLAUSE = "none"

_LINE = re.compile(
    r"^[^\nA-Za-z0-9]*(clause|ruling)[^\nA-Za-z0-9:]*:(.*)$", re.IGNORECASE | re.MULTILINE
)
# Quotes, emphasis and full stops around a word.
_MARKS = " \t\r*_`'\"“”[]()<>."
_KEYS = ("pattern", "rulings")


class Ruled(NamedTuple):
    """What a policy says of a prompt: the ruling, and the clause that gives it (None: none governs)."""

    ruling: Ruling
    clause: str | None


class RulingWords:
    """Reads replies about a policy. Clauses are named by id, or by key alone within the category asked about."""

    def __init__(self, spec: Spec, pattern: Pattern | None, words: Mapping[str, Ruling]) -> None:
        """pattern: with the groups `ruling`, and maybe `clause` and `category`; None for the last lines."""
        self._pattern = pattern
        self._words = {word.casefold(): ruling for word, ruling in words.items()}
        self._ids = {clause.id.casefold(): clause.id for clause in spec.clauses()}

    def read(self, reply: str, said: str, category: str) -> Ruled | None:
        """What a reply says; None where it does not say it, or names a clause that is not there.

        A policy's own pattern may stand in the reasoning; lines count in what is said after it.
        """
        if self._pattern is None:
            return self._by_lines(said, category)
        return self._by_pattern(self._pattern, reply, category)

    def _by_lines(self, said: str, category: str) -> Ruled | None:
        """By the last valid line of each kind."""
        clause, named, ruling = None, False, None
        for label, value in _LINE.findall(said):
            word = value.strip(_MARKS).casefold()
            if label.casefold() == "ruling":
                ruling = self._words.get(re.sub(r"[\s_-]+", "-", word), ruling)
            elif word == NO_CLAUSE:
                clause, named = None, True
            elif found := self._clause(word.split(" ")[0].strip(_MARKS + ":,"), category):
                clause, named = found, True
        return Ruled(ruling, clause) if named and ruling is not None else None

    def _by_pattern(self, pattern: Pattern, reply: str, category: str) -> Ruled | None:
        read = None
        for groups in pattern.groups(reply):
            ruling = self._words.get((groups["ruling"] or "").casefold())
            word = groups.get("clause")
            clause = self._clause(word, groups.get("category") or category) if word else None
            if ruling is not None and (clause is not None or not word):
                read = Ruled(ruling, clause)
        return read

    def _clause(self, word: str, category: str) -> str | None:
        word = word.casefold()
        return self._ids.get(word) or self._ids.get(f"{category.casefold()}.{word}")


def read_words(spec: Spec, templates: Templates) -> RulingWords:
    """How replies to these templates are read. Raises InputError for a `ruling.toml` that says it wrongly."""
    path = templates.folder / FILE
    if not path.exists() and not path.is_symlink():
        return RulingWords(spec, None, {ruling: ruling for ruling in RULINGS})
    text = "\n".join(line.text for line in read_source(templates.folder, path).lines)
    try:
        values = toml_table(text)
    except UnreadableError as error:
        what = f"not TOML: {error}; write the pattern between single quotes"
        raise InputError.in_file(path, what, kind="syntax", line=error.line) from error
    for key in values:
        if key not in _KEYS:
            what = f"unknown key {key!r}; {did_you_mean(key, _KEYS)}"
            raise InputError.in_file(path, what, kind="unknown_key")
    pattern = _pattern(path, values.get("pattern"))
    return RulingWords(spec, pattern, _words(path, values.get("rulings")))


def _pattern(path: Path, text: object) -> Pattern:
    if not isinstance(text, str) or not text:
        what = f"pattern is {text!r}; write a regular expression"
        raise InputError.in_file(path, what, kind="pattern")
    try:
        pattern = read_pattern(text)
    except ValueError as error:
        raise InputError.in_file(path, f"pattern {error}", kind="pattern") from error
    for group in ("clause", "ruling"):
        if group not in pattern.names:
            what = f"pattern {text!r} has no group {group!r}; write (?P<{group}>…) in it"
            raise InputError.in_file(path, what, kind="pattern")
    return pattern


def _words(path: Path, table: object) -> dict[str, Ruling]:
    if not isinstance(table, dict) or not table:
        what = 'has no table of words; write [rulings] and a line such as no = "refuse"'
        raise InputError.in_file(path, what, kind="missing_key")
    for word, ruling in table.items():
        if ruling not in RULINGS:
            what = f"rulings: {word} is {ruling!r}; {did_you_mean(str(ruling), RULINGS)}"
            raise InputError.in_file(path, what, kind="unknown_choice")
    return cast(dict[str, Ruling], table)
