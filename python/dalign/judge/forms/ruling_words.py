"""How a reply to a question of ruling names clause and ruling: in its last lines, or as a policy's `templates/ruling.toml` says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from dalign._core import Pattern
from dalign.errors import InputError, did_you_mean
from dalign.parsing import UnreadableError, toml_table
from dalign.pattern import read_pattern
from dalign.spec.outline import read_source
from dalign.spec.templates import Templates
from dalign.spec.types import RULINGS, Ruling, Spec

T = TypeVar("T")

FILE = "ruling.toml"
NO_CLAUSE = "none"

# Maybe with a number before it, as in a list; with the seal or a word like it between label and colon, or without.
# A line of JSON is one too.
_LINE = re.compile(
    r"^[^\nA-Za-z0-9]*(?:(?:\d{1,2}|[a-z])[.)][^\nA-Za-z0-9]*)?(clause|ruling)"
    r"[^\nA-Za-z0-9:：]*(?:([0-9a-f]{6,32})[^\nA-Za-z0-9:：]*)?[:：](.*)$",
    re.IGNORECASE | re.MULTILINE,
)
# A JSON object of both, each on a line of its own to `_LINE`: where one begins that does not stand at a line's start.
_PAIR = re.compile(r"[{,][^\S\n]*(?=\"(?:clause|ruling)\"[^\S\n]*:)", re.IGNORECASE)
# What ends a value: a reason that follows, in the same line.
_REASON = re.compile(r"[,;(–—]|\s-\s|\.\s|\b(?:because|since|as)\b", re.IGNORECASE)
# A name, and one that is listed with it: a reason that follows may name others.
_NAME = r"([\w-]+(?:\.[\w-]+)*)"
_NAMES = re.compile(rf"{_NAME}(?:\W*(?:\b(?:and|or|with|also|as well as|clause)\b\W*)*{_NAME})?")
_NOTHING = ("null", "n/a")
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
        """pattern: with the groups `ruling` and `clause`, and maybe `category`; None for the last lines."""
        self._pattern = pattern
        self._words = {word.casefold(): ruling for word, ruling in words.items()}
        self._ids = {clause.id.casefold(): clause.id for clause in spec.clauses()}

    def read(
        self, reply: str, said: str, category: str, seal: str = "", judged: str = ""
    ) -> Ruled | None:
        """What a reply says; None where it does not say it, or names a clause that is not there.

        A policy's own pattern may stand in the reasoning; lines count in what is said after it. seal: what marks
        the lines that outrank others. judged: a match or a line without it that stands there too may be quoted.
        """
        if self._pattern is None:
            clause = _agreed("clause", partial(self._named, category), said, seal, judged)
            ruling: Ruling | None = _agreed("ruling", self._ruling, said, seal, judged)
            return None if clause is None or ruling is None else Ruled(ruling, clause or None)
        return self._by_pattern(self._pattern, reply, category, judged)

    def _ruling(self, value: str) -> Ruling | None:
        """The ruling that a value begins with, before a reason that names no other."""
        said, _, reason = _parted(value)
        ruling = self._words.get(re.sub(r"[\s_-]+", "-", said.strip(_MARKS).casefold()))
        others = {word for word in self._words if self._words[word] != ruling}
        told = re.findall(r"[\w-]+", reason.casefold())
        return None if others.intersection(told) else ruling

    def _named(self, category: str, value: str) -> str | None:
        """The id of the one clause that a value names; empty where none governs."""
        said = value.strip(_MARKS + ",}").casefold()
        if said in (NO_CLAUSE, *_NOTHING):
            return ""
        match = _NAMES.match(said)
        if match is None:
            return None
        first, second = (self._clause(name or "", category) for name in match.groups())
        return None if second not in (None, first) else first

    def _by_pattern(self, pattern: Pattern, reply: str, category: str, judged: str) -> Ruled | None:
        read = None
        for groups in pattern.groups(reply):
            ruling = self._words.get((groups["ruling"] or "").casefold())
            word = groups.get("clause")
            clause = self._clause(word, groups.get("category") or category) if word else None
            if ruling is not None and (clause is not None or not word):
                read = None if (groups[""] or "") in judged else Ruled(ruling, clause)
        return read

    def _clause(self, word: str, category: str) -> str | None:
        word = word.casefold()
        return self._ids.get(word) or self._ids.get(f"{category.casefold()}.{word}")


def _agreed(
    kind: str, read: Callable[[str], T | None], said: str, seal: str, judged: str
) -> T | None:
    """What the lines of a kind say: the last sealed one, else all of them alike; None where they do not."""
    lines = _lines(kind, said)
    sealed = [value for mark, value in lines if seal and mark.lower() == seal]
    if sealed:
        return read(sealed[-1])
    values = [read(value) for _, value in lines]
    found = {value for value in values if value is not None}
    quoted = {read(value) for _, value in _lines(kind, judged)}
    if len(found) != 1 or values[-1] is None or found & quoted:
        return None
    return values[-1]


def _parted(value: str) -> tuple[str, str, str]:
    """What a value says, what parts it from a reason, and the reason."""
    value = value.strip(" \t\r*_`'\"“”[]()<>}")
    match = _REASON.search(value)
    return (value[: match.start()], match[0], value[match.end() :]) if match else (value, "", "")


def _lines(kind: str, text: str) -> list[tuple[str, str]]:
    """The marks and the values of a text's lines of a kind."""
    return [
        (mark, value)
        for label, mark, value in _LINE.findall(_PAIR.sub("\n", text))
        if label.lower() == kind
    ]


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
