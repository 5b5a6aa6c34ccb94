"""A config as TOML: resolved, or with every setting explained."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dalign.config import Config
from dalign.settings.schema import choices, is_list, section_of

_WIDTH = 100


def dump_toml(config: Config) -> str:
    """The resolved config as TOML, settings that are None left out; loading it gives the same config."""
    lines = list(_table(config.model_dump(mode="json", exclude_none=True), ""))
    return "\n".join(lines).strip() + "\n"


def _table(values: Mapping[str, Any], name: str) -> Iterator[str]:
    """A table's plain values, then its tables: TOML has them in this order."""
    nested = {key: value for key, value in values.items() if _is_nested(value)}
    for key, value in values.items():
        if key not in nested:
            yield f"{key} = {_literal(value)}"
    for key, value in nested.items():
        dotted = f"{name}.{key}" if name else key
        many = isinstance(value, list)
        for table in value if many else [value]:
            yield ""
            yield f"[[{dotted}]]" if many else f"[{dotted}]"
            yield from _table(table, dotted)


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and value != [] and isinstance(value[0], dict)
    )


def _literal(value: Any) -> str:
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
    nested = {
        key: field for key, field in section.model_fields.items() if section_of(field.annotation)
    }
    for key, field in section.model_fields.items():
        if key not in nested:
            yield from _setting(key, field, values, active=active)
    for key, field in nested.items():
        yield from _nested(field, values.get(key), f"{name}.{key}" if name else key, active=active)


def _nested(field: FieldInfo, value: Any, dotted: str, *, active: bool) -> Iterator[str]:
    section = section_of(field.annotation)
    if section is None:
        raise ValueError(f"{dotted} is not a section")
    many = is_list(field.annotation)
    # A section that is unset by default stays a comment, header included, until values are given.
    unset = value is None and (many or field.default is None)
    header = f"[[{dotted}]]" if many else f"[{dotted}]"
    items: Sequence[Mapping[str, Any]] = value if many and value else [value or {}]
    for item in items:
        yield ""
        yield from _comment(field.description or section.__doc__ or "")
        yield header if active and not unset else f"# {header}"
        yield from _section(section, item, dotted, active=active and not unset)


def _setting(
    key: str, field: FieldInfo, values: Mapping[str, Any], *, active: bool
) -> Iterator[str]:
    yield from _comment(_explained(field))
    if values.get(key) is not None:
        yield f"{key} = {_literal(values[key])}" if active else f"# {key} = {_literal(values[key])}"
    elif field.default is PydanticUndefined or field.default is None:
        yield f"# {key} ="
    else:
        yield f"# {key} = {_literal(field.default)}"


def _explained(field: FieldInfo) -> str:
    known = choices(field.annotation)
    ending = f"(choices: {', '.join(known)})" if known else ""
    required = "(required)" if field.is_required() else ""
    return " ".join(part for part in (field.description, ending, required) if part)


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(" ".join(text.split()), _WIDTH - 2):
        yield f"# {line}"
