"""A config as TOML: resolved, or with every setting explained."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dalign.config import Config
from dalign.settings.schema import choices, is_list, section_at, section_of

_WIDTH = 100


def dump_toml(config: Config) -> str:
    """The resolved config as TOML, settings that are None left out; loading it gives the same config."""
    lines = list(_table(config.model_dump(mode="json", exclude_none=True), ""))
    return "\n".join(lines).strip() + "\n"


def _table(values: Mapping[str, Any], name: str) -> Iterator[str]:
    """A table's plain values, then its tables: TOML has them in this order."""
    nested = {}
    for key, value in values.items():
        tables = value if isinstance(value, list) else [value]
        if tables and isinstance(tables[0], dict) and section_at(f"{name}.{key}".lstrip(".")):
            nested[key] = tables
        elif value != {}:
            yield f"{key} = {_literal(value)}"
    for key, tables in nested.items():
        dotted = f"{name}.{key}" if name else key
        for table in tables:
            yield ""
            yield f"[[{dotted}]]" if tables is values[key] else f"[{dotted}]"
            yield from _table(table, dotted)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _literal(key)


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_literal(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_literal(item) for item in value)}]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    # A JSON text is a TOML text, except for the one control character that JSON lets stand.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def commented_toml(values: Mapping[str, Any]) -> str:
    """A config file with every setting and what it does: `values` filled in, defaults commented out."""
    lines = list(_section(Config, values, "", active=True))
    return "\n".join(lines).strip() + "\n"


def _section(
    section: type[BaseModel], values: Mapping[str, Any], name: str, *, active: bool
) -> Iterator[str]:
    """A section's lines: its plain settings, then its sections."""
    inner = {key: section_of(field.annotation) for key, field in section.model_fields.items()}
    for key, field in section.model_fields.items():
        if inner[key] is None:
            yield from _comment(_explained(field))
            value = values.get(key)
            default = None if field.is_required() else _default(field)
            shown = default if value is None else value
            line = f"{key} = {'' if shown is None else _literal(shown)}".rstrip()
            yield line if active and value is not None else f"# {line}"
    for key, field in section.model_fields.items():
        if nested := inner[key]:
            dotted = f"{name}.{key}" if name else key
            yield from _nested(nested, field, values.get(key), dotted, active=active)


def _nested(
    section: type[BaseModel], field: FieldInfo, value: Any, dotted: str, *, active: bool
) -> Iterator[str]:
    many = is_list(field.annotation)
    # A section that is unset by default stays a comment, header included, until values are given.
    active = active and (value is not None or not (many or field.default is None))
    header = f"[[{dotted}]]" if many else f"[{dotted}]"
    for item in value if many and value else [value or {}]:
        yield ""
        yield from _comment(field.description or section.__doc__ or "")
        yield header if active else f"# {header}"
        yield from _section(section, item, dotted, active=active)


def _default(field: FieldInfo) -> Any:
    """What a setting is unless it, and the others that it follows, are set."""
    return field.get_default(call_default_factory=True, validated_data={})


def _explained(field: FieldInfo) -> str:
    known = choices(field.annotation)
    ending = f"(choices: {', '.join(known)})" if known else ""
    required = "(required)" if field.is_required() else ""
    return " ".join(part for part in (field.description, ending, required) if part)


def _comment(text: str) -> Iterator[str]:
    whole = " ".join(text.split())
    yield from textwrap.wrap(whole, _WIDTH, initial_indent="# ", subsequent_indent="# ")
