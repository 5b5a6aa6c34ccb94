"""What is wrong with a config, as one error with the place in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dalign.errors import InputError, did_you_mean
from dalign.settings.schema import all_keys, choices, field_at, section_at
from dalign.text import short

_HEADER = re.compile(r"\s*(?P<open>\[\[?)\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_ASSIGNMENT = re.compile(r"\s*(?P<key>[\w.\"' -]+?)\s*=")

_MUST_BE = {
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text, in quotes",
    "string_too_short": "must not be empty",
    "tuple_type": 'must be a list, such as ["a", "b"]',
    "model_type": "must be a table of settings",
    "model_attributes_type": "must be a table of settings",
}
_LIMITS = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
    "less_than": ("lt", "must be less than"),
}


@dataclass(frozen=True)
class Places:
    """Where settings stand: lines of the file, or the overrides of the command line by their key."""

    file: Path | None
    text: str
    overridden: Mapping[str, str]

    def of(self, dotted: str) -> str:
        """The place of a key: `--set …`, or the file with the line of the key or its section."""
        if (override := self._override(dotted)) is not None:
            return f"--set {override}"
        if (line := self.line(dotted)) is not None:
            return f"{self.file}:{line}"
        section = dotted.split(".", 1)[0]
        below = (self.overridden[key] for key in self.overridden if key.startswith(f"{section}."))
        override = next(below, None)
        return str(self.file or "--set") if override is None else f"--set {override}"

    def line(self, dotted: str) -> int | None:
        """The line of the file where a key or its section is set, unless the command line sets it."""
        return None if self._file_of(dotted) is None else key_line(self.text, dotted)

    def _file_of(self, dotted: str) -> Path | None:
        return self.file if self._override(dotted) is None else None

    def _override(self, dotted: str) -> str | None:
        parts = dotted.split(".")
        prefixes = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((self.overridden[each] for each in prefixes if each in self.overridden), None)

    def error(
        self, dotted: str, kind: str, what: str, *, value: object = None, limit: object = None
    ) -> InputError:
        """The error of a key: its place, and `what` is wrong with it."""
        return InputError(
            f"{self.of(dotted)}: {what}",
            kind=kind,
            path=self._file_of(dotted),
            line=self.line(dotted),
            key=dotted or None,
            value=value,
            limit=limit,
        )


def key_line(text: str, dotted: str) -> int | None:
    """The line (from 1) where that key is set in a TOML text, or else its section; None: neither."""
    lines: dict[str, int] = {}
    items: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _plain(header["name"])
            if header["open"] == "[[":
                items[table] = items.get(table, -1) + 1
                table = f"{table}.{items[table]}"
            lines.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            key = _plain(assignment["key"])
            lines.setdefault(f"{table}.{key}" if table else key, number)
    parts = dotted.split(".")
    prefixes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((lines[prefix] for prefix in prefixes if prefix in lines), None)


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def problem(error: ValidationError, places: Places) -> InputError:
    """The first problem of the config, with the keys of the others.

    Its kind is unknown_key, missing_key, wrong_type, out_of_range, unknown_choice,
    wrong_form, broken_rule or not_valid.
    """
    # A misspelt section is unknown and missing too; the misspelling is what helps.
    found = error.errors(include_url=False)
    first, *rest = sorted(found, key=lambda each: each["type"] != "extra_forbidden")
    names = dict.fromkeys(_dotted(each) or "the config" for each in rest)
    more = f" ({len(rest)} more: {', '.join(names)})" if rest else ""
    return _problem(first, places, more)


def _problem(first: ErrorDetails, places: Places, more: str) -> InputError:
    dotted, type_ = _dotted(first), first["type"]
    if type_ == "value_error":
        what = str(first.get("ctx", {}).get("error", first["msg"]))
        return _broken_rule(what, dotted, places, more)
    if type_ == "extra_forbidden":
        what = f"{dotted}: unknown key; {_nearest_key(dotted)}{more}"
        return places.error(dotted, "unknown_key", what)
    if type_ == "missing":
        what = f"{dotted}: is missing; {_description(dotted)}{more}"
        return places.error(dotted, "missing_key", what)
    value = first["input"]
    kind, must_be, limit = _must_be(first, dotted)
    what = f"{dotted} = {short(repr(value))}: {must_be}{more}"
    return places.error(dotted, kind, what, value=value, limit=limit)


def _dotted(problem: ErrorDetails) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _broken_rule(what: str, dotted: str, places: Places, more: str) -> InputError:
    """The error of a rule that ties settings together: it starts with the key of one of them."""
    named = f"{dotted}.{what}" if dotted else what
    key = named.split(" ", 1)[0]
    if field_at(key) is not None:
        return places.error(key, "broken_rule", named + more)
    return places.error(dotted, "broken_rule", f"{dotted}: {what}{more}" if dotted else what + more)


def _nearest_key(dotted: str) -> str:
    parent, _, key = dotted.rpartition(".")
    elsewhere = [name for name in all_keys() if name.rpartition(".")[2] == key]
    if len(elsewhere) == 1:
        return f"did you mean {elsewhere[0]!r}?"
    section = section_at(parent)
    return did_you_mean(key, section.model_fields if section else ())


def _description(dotted: str) -> str:
    field = field_at(dotted)
    section = section_at(dotted)
    if section is not None:
        needed = [name for name, each in section.model_fields.items() if each.is_required()]
        return f"add a section [{dotted}] with {', '.join(needed)}" if needed else f"add [{dotted}]"
    return f"give it: {field.description}" if field and field.description else "add it"


def _must_be(problem: ErrorDetails, dotted: str) -> tuple[str, str, object]:
    """The kind of a problem with a value, what the value must be, and its limit, if it has one."""
    type_, context = problem["type"], problem.get("ctx", {})
    if type_ in _MUST_BE:
        return "wrong_type", _MUST_BE[type_], None
    if type_ in _LIMITS:
        name, words = _LIMITS[type_]
        return "out_of_range", f"{words} {context[name]:g}", context[name]
    if type_ == "literal_error":
        field = field_at(dotted)
        known = choices(field.annotation) if field else ()
        way_out = did_you_mean(str(problem["input"]), known)
        return "unknown_choice", f"is none of its choices; {way_out}", None
    if type_ == "string_pattern_mismatch":
        return "wrong_form", f"must match {context['pattern']}, such as 'held-out'", None
    return "not_valid", f"is not valid: {problem['msg']}", None
