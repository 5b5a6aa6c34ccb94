"""JSONL files, a row a line: read with the place of every problem."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dalign.errors import InputError, did_you_mean
from dalign.rows import Message
from dalign.text import short

ROLES = ("system", "user", "assistant", "tool")

_BOM = b"\xef\xbb\xbf"

_Row = TypeVar("_Row")


class RowError(InputError):
    """What is wrong with one line; the reader adds the place."""

    def at(self, path: Path, line: int, more: str = "") -> InputError:
        """The same, with the file and the line; `more` ends the sentence."""
        kind = self.kind or "bad_row"
        return InputError.in_file(
            path, f"{self}{more}", kind=kind, line=line, key=self.key, value=self.value
        )


def rows_of(
    path: Path, parse: Callable[[Mapping[str, object]], _Row], id_of: Callable[[_Row], str]
) -> Iterator[_Row]:
    """The rows of a JSONL file, one for each line that is not blank; twelve bytes of each are held.

    Raises InputError at the end, for the first line with a problem, with the number of further ones: what was
    given out until then is not to be kept.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise InputError.in_file(
            path, f"{what}; give a JSONL file, one JSON object a line", kind="missing_file"
        )
    problems: list[tuple[int, RowError]] = []
    ids = _Ids()
    for number, data in _lines(path):
        try:
            row = parse(_object(data))
        except RowError as error:
            problems.append((number, error))
            continue
        ids.add(id_of(row), number)
        yield row
    problems += ids.problems(lambda number: id_of(parse(_object(_line(path, number)))))
    if problems:
        number, first = min(problems, key=lambda problem: problem[0])
        more = len(problems) - 1
        rest = f" ({more} more line{'s have' if more > 1 else ' has'} a problem)" if more else ""
        raise first.at(path, number, rest) from first
    if not ids:
        raise InputError.in_file(
            path, "is empty; it needs at least one line with a JSON object", kind="empty"
        )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            data = raw.removeprefix(_BOM) if number == 1 else raw
            if data.strip():
                yield number, data


def _line(path: Path, wanted: int) -> bytes:
    return next(data for number, data in _lines(path) if number == wanted)


class _Ids:
    """The ids of a file's rows: a hash and a line of each."""

    def __init__(self) -> None:
        self._hashes, self._lines = array("q"), array("L")

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, row_id: str, line: int) -> None:
        """Takes the next row's id."""
        self._hashes.append(hash(row_id))
        self._lines.append(line)

    def problems(self, id_at: Callable[[int], str]) -> list[tuple[int, RowError]]:
        """The lines whose id an earlier one has. id_at: the id of a line."""
        import numpy as np

        hashes = np.frombuffer(self._hashes, np.int64) if self._hashes else np.empty(0, np.int64)
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(np.diff(hashes[order]) == 0)
        found: list[tuple[int, RowError]] = []
        first: dict[str, int] = {}
        for place in again.tolist():
            for number in sorted(self._lines[i] for i in order[place : place + 2]):
                row_id = id_at(number)
                taken = first.setdefault(row_id, number)
                if taken != number and number not in (line for line, _ in found):
                    found.append((number, _taken(row_id, taken)))
        return found


def _taken(row_id: str, line: int) -> RowError:
    return RowError(
        f"id {row_id!r} is taken by line {line}; "
        "give one of the two another id, or remove it if they are the same",
        kind="repeated",
        value=row_id,
    )


def _object(data: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        bad = data[error.start : error.start + 1]
        raise RowError(
            f"not UTF-8 ({bad!r} at byte {error.start} of the line); save the file as UTF-8",
            kind="encoding",
        ) from error
    except json.JSONDecodeError as error:
        text = short(data.decode("utf-8").strip())
        raise RowError(
            f"not JSON ({error.msg} at column {error.colno}: {text!r}); write one JSON object a line",
            kind="syntax",
        ) from error
    except RowError:
        raise
    except ValueError as error:
        raise RowError(f"holds a number that cannot be read ({error}); shorten it") from error
    except RecursionError as error:
        raise RowError("nested too deep to be read; a row has a few levels") from error
    if not isinstance(value, dict):
        raise RowError(f'not a JSON object ({short(json.dumps(value))}); write {{"messages": …}}')
    return value


def _without_repeats(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise RowError(
                f"key {key!r} stands twice; keep one of the two", kind="repeated", key=key
            )
        found[key] = value
    return found


def only_keys(row: Mapping[str, object], known: Sequence[str], where: str) -> None:
    """Raises RowError when the object has a key that is none of `known`."""
    for key in row:
        if key not in known:
            raise RowError(
                f"unknown key {key!r} in {where}; {did_you_mean(key, known)}",
                kind="unknown_key",
                key=key,
            )


def text_field(row: Mapping[str, object], key: str, where: str) -> str | None:
    """The text under that key; None when it is missing or null. Raises RowError when it is no text or empty."""
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RowError(
            f"{where} is not a text ({short(json.dumps(value))}); write it between quotes",
            kind="wrong_type",
            key=where,
            value=value,
        )
    if not value.strip():
        raise RowError(
            f"{where} is empty ({value!r}); write it or leave the row out",
            kind="empty",
            key=where,
            value=value,
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise RowError(
            f"{where} holds half of a surrogate pair ({short(value)!a}); write the whole character",
            kind="encoding",
            key=where,
            value=value,
        )
    return value


def messages_field(row: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The objects under `messages`, each with a known role, a text and known keys."""
    value = row.get("messages")
    if value is None:
        raise RowError(
            'messages is missing; a row needs a conversation: "messages": [{"role": …}]',
            kind="missing_key",
            key="messages",
        )
    if not isinstance(value, list) or not value:
        raise RowError(
            f"messages is not a list of turns ({short(json.dumps(value))}); it needs at least one"
        )
    for number, message in enumerate(value):
        _check_message(message, number)
    return value


def _check_message(message: object, number: int) -> None:
    where = f"messages[{number}]"
    if not isinstance(message, dict):
        raise RowError(
            f'{where} is not an object ({short(json.dumps(message))}); write {{"role": …, "content": …}}'
        )
    only_keys(message, ("role", "content", "reasoning"), where)
    role = text_field(message, "role", f"{where}.role")
    if role not in ROLES:
        raise RowError(
            f"{where}.role is {role!r}; {_role_way_out(role)}",
            kind="unknown_choice",
            key=f"{where}.role",
            value=role,
        )
    if text_field(message, "content", f"{where}.content") is None:
        raise RowError(f"{where}.content is missing; write what the turn says")
    if role == "system" and number > 0:
        raise RowError(f"{where}.role is 'system'; a system message can only be the first one")


def _role_way_out(role: str | None) -> str:
    return did_you_mean(role, ROLES) if role else f"known: {', '.join(ROLES)}"


def turns(messages: Iterable[Mapping[str, object]]) -> tuple[Message, ...]:
    """The checked messages as turns: role and content."""
    return tuple(Message(role=str(m["role"]), content=str(m["content"])) for m in messages)
