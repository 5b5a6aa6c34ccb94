"""What is wrong with a config, as one sentence with the place in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dalign.errors import did_you_mean
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

    file: str | None
    text: str
    overridden: Mapping[str, str]

    def of(self, dotted: str) -> str:
        """The place of a key: `--set …`, or the file with the line of the key or its section."""
        parts = dotted.split(".")
        for count in range(len(parts), 0, -1):
            prefix = ".".join(parts[:count])
            if prefix in self.overridden:
                return f"--set {self.overridden[prefix]}"
        line = key_line(self.text, dotted) if self.file else None
        if line is not None:
            return f"{self.file}:{line}"
        below = (self.overridden[key] for key in self.overridden if key.startswith(f"{parts[0]}."))
        override = next(below, None)
        return self.file or "--set" if override is None else f"--set {override}"


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


def sentence(error: ValidationError, places: Places) -> str:
    """One sentence for the first problem of the config, with the keys of the others."""
    # A misspelt section is unknown and missing too; the misspelling is what helps.
    found = error.errors(include_url=False)
    problems = sorted(found, key=lambda problem: problem["type"] != "extra_forbidden")
    first, rest = problems[0], problems[1:]
    text = _sentence(first, places)
    if rest:
        names = dict.fromkeys(_dotted(problem) or "the config" for problem in rest)
        text += f" ({len(rest)} more: {', '.join(names)})"
    return text


def _sentence(problem: ErrorDetails, places: Places) -> str:
    dotted = _dotted(problem)
    kind = problem["type"]
    if kind == "value_error":
        return _broken_rule(
            str(problem.get("ctx", {}).get("error", problem["msg"])), dotted, places
        )
    if kind == "extra_forbidden":
        return f"{places.of(dotted)}: {dotted}: unknown key; {_nearest_key(dotted)}"
    if kind == "missing":
        return f"{places.of(dotted)}: {dotted}: is missing; {_description(dotted)}"
    return f"{places.of(dotted)}: {dotted} = {short(repr(problem['input']))}: {_must_be(problem, dotted)}"


def _dotted(problem: ErrorDetails) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _broken_rule(what: str, dotted: str, places: Places) -> str:
    """The sentence of a rule that ties settings together: it starts with the key of one of them."""
    named = f"{dotted}.{what}" if dotted else what
    key = named.split(" ", 1)[0]
    if field_at(key) is None:
        return f"{places.of(dotted)}: {dotted}: {what}" if dotted else what
    return f"{places.of(key)}: {named}"


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


def _must_be(problem: ErrorDetails, dotted: str) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _MUST_BE:
        return _MUST_BE[kind]
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{words} {context[name]:g}"
    if kind == "literal_error":
        field = field_at(dotted)
        known = choices(field.annotation) if field else ()
        return f"is none of its choices; {did_you_mean(str(problem['input']), known)}"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}, such as 'held-out'"
    return f"is not valid: {problem['msg']}"
