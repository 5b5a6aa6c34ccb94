"""What is wrong with a config, as one error with the place in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dalign.errors import InputError, did_you_mean
from dalign.settings.meant import meant_by
from dalign.settings.schema import choices, field_at, prefixes, section_at
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
    "too_short": "must not be empty",
    "tuple_type": 'must be a list, such as ["a", "b"]',
    "model_type": "must be a table of settings",
    "model_attributes_type": "must be a table of settings",
}
_MAY_BE_SECRET = {"base_url", "api_key_env", "headers", "query", "request"}
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

    def error(
        self, dotted: str, kind: str, what: str, *, value: object = None, limit: object = None
    ) -> InputError:
        """The error of a key: its place, and `what` is wrong with it."""
        overrides = [self.overridden[key] for key in prefixes(dotted) if key in self.overridden]
        path = None if overrides else self.file
        line = None if path is None else key_line(self.text, dotted)
        if line is None and not overrides:
            section = f"{dotted.split('.', 1)[0]}."
            overrides = [self.overridden[key] for key in self.overridden if key.startswith(section)]
        place = str(self.file or "--set")
        if line is not None:
            place = f"{self.file}:{line}"
        elif overrides:
            # Some hold a password by mistake.
            is_secret = not _MAY_BE_SECRET.isdisjoint(dotted.split("."))
            place = f"--set {dotted if is_secret else overrides[0]}"
        return InputError(
            f"{place}: {what}", kind=kind, path=path, line=line,
            key=dotted or None, value=value, limit=limit,
        )  # fmt: skip


def key_line(text: str, dotted: str) -> int | None:
    """The line (from 1) where that key is set in a TOML text, or else its section; None: neither."""
    lines: dict[str, int] = {}
    items = Counter[str]()
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _plain(header["name"])
            if header["open"] == "[[":
                items[table] += 1
                table = f"{table}.{items[table] - 1}"
            lines.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            key = _plain(assignment["key"])
            lines.setdefault(f"{table}.{key}" if table else key, number)
    return next((lines[prefix] for prefix in prefixes(dotted) if prefix in lines), None)


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
    dotted, type_ = _dotted(first), first["type"]
    if type_ == "value_error":
        # A rule that ties settings together starts its sentence with the key of one of them.
        rule = str(first["ctx"]["error"])
        what = f"{dotted}.{rule}" if dotted else rule
        return places.error(what.split(" ", 1)[0], "broken_rule", what + more)
    if type_ == "extra_forbidden":
        what = f"{dotted}: unknown key; {meant_by(dotted)}{more}"
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
        return "out_of_range", f"{words} {context[name]:.15g}", context[name]
    if type_ == "literal_error":
        field = field_at(dotted)
        known = choices(field.annotation) if field else ()
        way_out = did_you_mean(str(problem["input"]), known)
        return "unknown_choice", f"is none of its choices; {way_out}", None
    if type_ == "string_pattern_mismatch":
        return "wrong_form", f"must match {context['pattern']}, such as 'held-out'", None
    return "not_valid", f"is not valid: {problem['msg']}", None
