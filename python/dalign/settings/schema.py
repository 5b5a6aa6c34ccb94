"""What the schema says of a dotted key, such as `judge.k` or `evaluate.suites.0.path`."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dalign.config import Config


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field of this type holds: itself, optional, or each item of a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [section_of(part) for part in get_args(annotation) if part is not type(None)]
    return next((section for section in found if section is not None), None)


def is_list(annotation: Any) -> bool:
    """Whether a field of this type holds several values."""
    return get_origin(annotation) is tuple


def section_at(dotted: str) -> type[BaseModel] | None:
    """The section with that dotted key; the whole config for an empty one."""
    if not dotted:
        return Config
    field = field_at(dotted)
    return None if field is None else section_of(field.annotation)


def field_at(dotted: str) -> FieldInfo | None:
    """The field with that dotted key, or None. An index into a list of sections is passed over."""
    section: type[BaseModel] | None = Config
    field: FieldInfo | None = None
    for part in dotted.split("."):
        if part.isdigit() and field is not None and is_list(field.annotation):
            continue
        field = None if section is None else section.model_fields.get(part)
        if field is None:
            return None
        section = section_of(field.annotation)
    return field


def all_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """The dotted key of every setting and section."""
    for key, field in section.model_fields.items():
        yield f"{prefix}{key}"
        inner = section_of(field.annotation)
        if inner is not None:
            yield from all_keys(inner, f"{prefix}{key}.")


def choices(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal type, or of a tuple of them; else nothing."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    return next((found for part in get_args(annotation) if (found := choices(part))), ())


def prefixes(dotted: str) -> list[str]:
    """The key and the keys of the sections around it, the innermost first."""
    parts = dotted.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _kinds(dotted: str) -> tuple[Any, ...]:
    field = field_at(dotted)
    annotation = None if field is None else field.annotation
    several = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if several else (annotation,)


def is_optional(dotted: str) -> bool:
    """Whether the field can be left unset (None)."""
    return type(None) in _kinds(dotted)


def is_path(dotted: str) -> bool:
    """Whether the field is a path."""
    return Path in _kinds(dotted)


def is_text(dotted: str) -> bool:
    """Whether the field is a text: also a path or a choice."""
    return any(kind in (str, Path) or get_origin(kind) is Literal for kind in _kinds(dotted))
