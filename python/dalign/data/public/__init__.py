"""Public suites in their real formats: what each file has, and which prompt a row of it is.

Schemas as their makers publish them. Nothing of them is shipped or fetched: the user brings the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from dalign.data.jsonl import RowError, text_field
from dalign.rows import Message
from dalign.spec.types import Ruling
from dalign.text import short

Row = Mapping[str, object]
Gating = Literal["open", "gated"]


class Entry(NamedTuple):
    """What a row says. category: the suite's own; ruling: what is to be done, where the suite says it. id: the suite's own.

    labels: what else is kept of it.
    """

    messages: tuple[Message, ...]
    category: str
    ruling: Ruling | None
    id: str | None = None
    labels: Mapping[str, str] = {}


@dataclass(frozen=True)
class PublicSuite:
    """A suite that people know by a name.

    columns: those of a row, in each version that there is; sizes: rows of the whole file, in each version; empty: it differs.
    entry: of a row; best: of a corpus, in whose place so many entries a category come, with the reasons of what is passed over.
    """

    name: str
    title: str
    licence: str
    gating: Gating
    columns: Sequence[Sequence[str]]
    sizes: Collection[int]
    entry: Callable[[Row], Entry] | None = field(repr=False)
    best: Callable[[Path, int, Counter[str]], Iterator[Entry]] | None = field(
        default=None, repr=False
    )

    def of(self, row: Row) -> Entry:
        """The row's prompt. Raises RowError where it has another schema."""
        if not any(all(name in row for name in version) for version in self.columns):
            known = ", or ".join(", ".join(version) for version in self.columns)
            found = ", ".join(sorted(row))
            what = f"is no row of {self.title}: it has {short(found) or 'no columns'}, and should have {known}; is it another file, or a changed one?"
            raise RowError(what, "missing_field")
        assert self.entry is not None
        return self.entry(row)


def asked(text: str) -> tuple[Message, ...]:
    """A conversation of one user turn."""
    return (Message(role="user", content=text),)


def text_of(row: Row, name: str) -> str:
    """The text of a column. Raises RowError for one that is missing or empty, or that cannot be stored."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        what = f"{name} is {short(repr(value))}; it should be a text"
        raise RowError(what, "bad_field", name, value)
    text = text_field(row, name, name)
    assert text is not None
    return text


def id_of(row: Row, name: str) -> str | None:
    """The suite's own id of a row; None where it has none. Raises RowError for what is neither text nor number."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        what = f"{name} is {short(repr(value))}; it should be a text or a number"
        raise RowError(what, "bad_field", name, value)
    return str(value)


def word_of(row: Row, name: str, rulings: Mapping[str, Ruling]) -> Ruling | None:
    """The ruling that a column's word stands for, None without a word. Raises RowError for a word outside the classes."""
    if row.get(name) in (None, ""):
        return None
    word = str(row.get(name)).strip().casefold()
    if word not in rulings:
        what = f"{name} is {short(repr(row.get(name)))}; known: {', '.join(rulings)}"
        raise RowError(what, "unknown_choice", name, row.get(name))
    return rulings[word]


def kept(row: Row, *names: str) -> dict[str, str]:
    """Columns that are kept as they are, of those that the row has."""
    return {name: str(row[name]) for name in names if row.get(name) not in (None, "")}
