"""Rows of a file, a folder or a pattern, in any form that `files.feeds` reads: with the place of every problem."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import polars as pl

from dalign.errors import InputError, did_you_mean
from dalign.files import chat
from dalign.files.feeds import CSV, RowsFile, rows_files
from dalign.parsing import json_value
from dalign.rows import ROLES, Message
from dalign.text import short

# A further key that is as like a known one is a slip.
_MISSPELT = 0.8
_TURN = ("role", "content", "reasoning")
# Further keys of turns: those that change nothing of what is said, those that are for the last turn alone, and calls.
_PASSED_OVER = (
    *("name", "id", "tool_call_id", "timestamp", "created_at", "create_time", "metadata"),
    *("annotations", "model", "finish_reason", "stop_reason", "usage"),
    *("weight", "train", "training", "trainable", "loss"),
)
_CALLS = ("tool_calls", "function_call")

_Row = TypeVar("_Row")


class RowError(Exception):
    """What is wrong with a line, or an entry; the reader adds the place. kind, key, value: as in `InputError`."""

    def __init__(
        self, what: str, kind: str = "bad_row", key: str | None = None, value: object = None
    ) -> None:
        super().__init__(what)
        self.kind, self.key, self.value = kind, key, value

    def at(self, path: Path) -> InputError:
        """The error of that file."""
        return InputError.in_file(path, f"{self}", kind=self.kind, key=self.key, value=self.value)

    def of(self, file: RowsFile, number: int, more: str = "") -> InputError:
        """The error of that row; `more` ends the sentence."""
        return file.refuse(number, f"{self}{more}", kind=self.kind, key=self.key, value=self.value)


_WAY_OUT = "give a JSONL file, one JSON object a line, or a folder or pattern of some"


def rows_of(
    path: Path,
    parse: Callable[[Mapping[str, object]], _Row],
    id_of: Callable[[_Row], str],
    *,
    as_is: bool = False,
) -> Iterator[_Row]:
    """The rows, one for each line that is not blank; twelve bytes of each are held.

    as_is: their conversations are not brought under `messages`, whatever form they have.

    Raises InputError at the end, for the first row with a problem, with the number of further ones: what was
    given out until then is not to be kept.
    """
    files = rows_files(path, _WAY_OUT)
    problems = _Problems()
    hashes, numbers = array("q"), array("I")
    for row, (file, number, data) in enumerate(_numbered(files)):
        try:
            found = parse(_object(data, file, as_is))
        except RowError as error:
            problems.add(row, error, file, number)
            continue
        hashes.append(hash(id_of(found)))
        numbers.append(row)
        yield found
    again, taken = _of_equal(hashes, numbers), dict[str, tuple[RowsFile, int]]()
    for row, (file, number, data) in enumerate(_numbered(files) if again else ()):
        if row in again:
            row_id = id_of(parse(_object(data, file, as_is)))
            first, at = taken.setdefault(row_id, (file, number))
            if (first, at) != (file, number):
                place = f"line {at}" if first is file and file.has_lines else first.place(at)
                problems.add(row, _taken(row_id, place), file, number)
    problems.check()
    if not hashes:
        what = "is empty; it needs at least one line with a JSON object"
        raise InputError.in_file(path, what, kind="empty")


class _Problems:
    """The first row with a problem, and how many have one: each would hold what was read of its row."""

    def __init__(self) -> None:
        self._count = 0
        self._first: tuple[int, RowError, RowsFile, int] | None = None

    def add(self, row: int, problem: RowError, file: RowsFile, number: int) -> None:
        self._count += 1
        if self._first is None or row < self._first[0]:
            self._first = row, problem.with_traceback(None), file, number

    def check(self) -> None:
        """Raises the error of the first of them, if there is one."""
        if self._first is None:
            return
        more = self._count - 1
        rest = f" ({more} more line{'s have' if more > 1 else ' has'} a problem)" if more else ""
        _, problem, file, number = self._first
        raise problem.of(file, number, rest)


def _taken(row_id: str, place: str) -> RowError:
    way_out = "give one of the two another id, or remove it if they are the same"
    return RowError(f"id {row_id!r} is taken by {place}; {way_out}", "repeated", value=row_id)


def _numbered(files: Iterable[RowsFile]) -> Iterator[tuple[RowsFile, int, bytes]]:
    """The rows of all files, each with its file and its number there."""
    for file in files:
        for number, data in file.numbered_lines():
            yield file, number, data


def _of_equal(hashes: array[int], rows: array[int]) -> set[int]:
    """The rows that share a hash with another."""
    if not hashes:
        return set()
    import numpy as np

    found = pl.Series(np.frombuffer(hashes, np.int64)).is_duplicated().arg_true()
    return {rows[at] for at in found}


def _object(data: bytes, file: RowsFile, as_is: bool) -> Mapping[str, object]:
    """The row's object, its conversation under `messages` unless it is to stay as it is."""
    try:
        value = json_value(data.decode("utf-8"), _without_repeats)
    except UnicodeDecodeError as error:
        where = f"{data[error.start : error.start + 1]!r} at byte {error.start} of the line"
        raise RowError(f"not UTF-8 ({where}); save the file as UTF-8", "encoding") from error
    except json.JSONDecodeError as error:
        where = f"{error.msg} at column {error.colno}: {short(data.decode('utf-8').strip())!r}"
        raise RowError(f"not JSON ({where}); write one JSON object a line", "syntax") from error
    except ValueError as error:
        raise RowError(f"{error}") from error
    if not isinstance(value, dict):
        raise RowError(f'not a JSON object ({_shown(value)}); write {{"messages": …}}')
    row = _of_cells(value) if file.form == CSV else value
    return row if as_is else chat.with_messages(row)


def _of_cells(row: Mapping[str, str]) -> dict[str, object]:
    """The row of a CSV file: an empty cell is none, and `expected.ruling` is `ruling` under `expected`."""
    found: dict[str, object] = {}
    for name, cell in row.items():
        group, dot, key = name.partition(".")
        held = found.setdefault(group, {}) if cell and dot else None
        if isinstance(held, dict):
            held[key] = cell
        elif cell:
            found[name] = cell
    return found


def _without_repeats(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise RowError(f"key {key!r} stands twice; keep one of the two", "repeated", key)
        found[key] = value
    return found


def _shown(value: object) -> str:
    return short(json.dumps(value))


def wrong_type(where: str, kind: str, value: object, way_out: str) -> RowError:
    """The error that a value is not of the kind that it has to be."""
    return RowError(f"{where} is not {kind} ({_shown(value)}); {way_out}")


def only_keys(row: Mapping[str, object], known: Sequence[str], where: str) -> None:
    """Raises RowError when the object has a key that is none of `known`."""
    for key in row:
        if key not in known:
            what = f"unknown key {key!r} in {where}; {did_you_mean(key, known)}"
            raise RowError(what, "unknown_key", key)


def no_slips(row: Mapping[str, object], known: Sequence[str], where: str) -> None:
    """Raises RowError when the object has a further key that is as like one of `known` as a slip is."""
    for key in row:
        if key not in known and get_close_matches(key.casefold(), known, n=1, cutoff=_MISSPELT):
            only_keys({key: None}, known, where)


def text_field(row: Mapping[str, object], key: str, where: str) -> str | None:
    """The text under that key; None when it is missing or null. Raises RowError when it is no text or empty."""
    value = row.get(key)
    if value is None:
        return None
    kind, what = "", ""
    if not isinstance(value, str):
        kind, what = "wrong_type", f"is not a text ({_shown(value)}); write it between quotes"
    elif not value.strip():
        kind, what = "empty", f"is empty ({value!r}); write it or leave the row out"
    elif any("\ud800" <= character <= "\udfff" for character in value):
        half = f"holds half of a surrogate pair ({short(value)!a})"
        kind, what = "encoding", f"{half}; write the whole character"
    if what:
        raise RowError(f"{where} {what}", kind, where, value)
    return str(value)


def messages_field(row: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The objects under `messages`, each with a known role, a text and known keys; reasoning is under `reasoning`."""
    value = row.get("messages")
    if value is None:
        way_out = 'a row needs a conversation: "messages": [{"role": …}]'
        raise RowError(f"messages is missing; {way_out}", "missing_key", "messages")
    if not isinstance(value, list) or not value:
        raise wrong_type("messages", "a list of turns", value, "it needs at least one")
    found = [chat.with_thought(each) if isinstance(each, dict) else each for each in value]
    for number, message in enumerate(found):
        _check_message(message, f"messages[{number}]", is_first=number == 0)
    return found


def _check_message(message: object, where: str, *, is_first: bool) -> None:
    if not isinstance(message, dict):
        raise wrong_type(where, "an object", message, 'write {"role": …, "content": …}')
    # An export has every field at each turn, with nothing in it where there is none.
    said = {k: v for k, v in message.items() if k in _TURN or v not in (None, "", [], {})}
    if calls := [key for key in _CALLS if key in said]:
        way_out = "write what it says into content, leave the row out, or pack it by dalign data pack with a template that writes calls"
        raise RowError(f"{where} calls a tool ({calls[0]}); {way_out}", "bad_field", calls[0])
    only_keys({k: v for k, v in said.items() if k not in _PASSED_OVER}, _TURN, where)
    role = text_field(message, "role", f"{where}.role")
    if role not in ROLES:
        way_out = did_you_mean(role, ROLES) if role else f"known: {', '.join(ROLES)}"
        what = f"{where}.role is {role!r}; {way_out}"
        raise RowError(what, "unknown_choice", f"{where}.role", role)
    if text_field(message, "content", f"{where}.content") is None:
        raise RowError(f"{where}.content is missing; write what the turn says")
    if role == "system" and not is_first:
        raise RowError(f"{where}.role is 'system'; a system message can only be the first one")


def turns(messages: Iterable[Mapping[str, object]]) -> tuple[Message, ...]:
    """The checked messages as turns: role and content."""
    return tuple(Message(role=str(m["role"]), content=str(m["content"])) for m in messages)
