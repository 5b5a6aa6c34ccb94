"""The sections that a prompt's answer is to have: `required_sections` and `sections_in_order` of a row."""

from __future__ import annotations

from collections.abc import Mapping

from dalign.data.jsonl import RowError, only_keys, text_field, wrong_type
from dalign.pattern import read_any_case
from dalign.rows import Section
from dalign.text import short

_KEYS = ("name", "any", "pattern", "contains", "weight")
_LIST, _ORDER = "required_sections", "sections_in_order"
_HEAVIEST = 1_000_000


def required_sections(row: Mapping[str, object]) -> tuple[tuple[Section, ...], bool]:
    """The sections of a row, and whether they are to stand in their order. Raises RowError."""
    value, in_order = row.get(_LIST), row.get(_ORDER)
    if not isinstance(in_order, bool | None):
        raise wrong_type(_ORDER, "true or false", in_order, "write true, or leave it out")
    if in_order and not value:
        what = f"{_ORDER} is true, and there are no {_LIST}; give them, or leave it out"
        raise RowError(what, "missing_key", _LIST)
    if value is None:
        return (), False
    if not isinstance(value, list):
        raise wrong_type(_LIST, "a list", value, "write a list of texts")
    found = tuple(_section(each, f"{_LIST}[{n}]") for n, each in enumerate(value))
    return found, bool(in_order)


def _section(value: object, where: str) -> Section:
    if isinstance(value, str | None):
        return Section(_text(value, where, "section's heading"))
    if not isinstance(value, dict):
        way_out = 'write the heading between quotes, or {"name": …}'
        raise wrong_type(where, "a text or an object", value, way_out)
    only_keys(value, _KEYS, where)
    if value.get("name") is None:
        what = f"{where}.name is missing; write the section's heading"
        raise RowError(what, "missing_key", f"{where}.name")
    return Section(
        _text(value["name"], f"{where}.name", "section's heading"),
        _texts(value.get("any"), f"{where}.any", "synonym"),
        _pattern(value.get("pattern"), f"{where}.pattern"),
        _contains(value.get("contains"), f"{where}.contains"),
        _weight(value.get("weight"), f"{where}.weight"),
    )


def _text(value: object, where: str, what: str) -> str:
    text = text_field({where: value}, where, where)
    if text is None:
        raise RowError(f"{where} is null; write the {what} or leave it out")
    return text


def _texts(value: object, where: str, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong_type(where, "a list of texts", value, f"write each {what} between quotes")
    return tuple(_text(each, f"{where}[{n}]", what) for n, each in enumerate(value))


def _pattern(value: object, where: str) -> str | None:
    text = text_field({where: value}, where, where)
    if text is None:
        return None
    try:
        finds_all = read_any_case(text).is_in("")
    except ValueError as error:
        raise RowError(f"{where} {error}", "pattern", where, text) from error
    if finds_all:
        what = f"{where} {short(text)!r} is found in an empty text too; write what has to stand in the answer"
        raise RowError(what, "pattern", where, text)
    return text


def _contains(value: object, where: str) -> tuple[tuple[str, ...], ...]:
    """What the section is to say: a wording, or a list of several, each."""
    if value is None:
        return ()
    if not isinstance(value, list):
        way_out = "write each phrase between quotes, or a list of wordings"
        raise wrong_type(where, "a list", value, way_out)
    found = []
    for number, each in enumerate(value):
        at = f"{where}[{number}]"
        if each == []:
            what = f"{at} is an empty list; write at least one wording or leave it out"
            raise RowError(what, "empty", at)
        is_list = isinstance(each, list)
        found.append(_texts(each, at, "wording") if is_list else (_text(each, at, "phrase"),))
    return tuple(found)


def _weight(value: object, where: str) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _HEAVIEST:
        what = f"{where} is not a number above 0 and at most {_HEAVIEST} ({short(repr(value))})"
        raise RowError(f"{what}; write how much it counts beside the others", "out_of_range", where)
    return float(value)
