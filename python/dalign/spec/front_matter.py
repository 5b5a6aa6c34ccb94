"""The front matter of a policy's file: a block of YAML between two lines `---`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import yaml

from dalign.errors import did_you_mean
from dalign.spec.outline import Line, Source
from dalign.spec.types import GENERAL, Place

CATEGORY_KEYS = ("category", "version", "summary")
PRINCIPLES_KEYS = ("name", "version")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_WHY = {
    "category": "name the category, as in 'category: self-harm'",
    "name": "name the policy, as in 'name: safety'",
    "version": "results name the version that they were judged by, so give one, as in 'version: 1.0.0'",
    "summary": "write the paragraph that goes into every category's prompt",
}
# What a check goes on with where the front matter does not say.
_STAND_INS = {"version": "0.0.0", "summary": "", "name": ""}
_KIND = "front-matter"
# The base loader knows texts only: version 1.10 stays '1.10'. In C where libyaml is there.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def category_front(source: Source) -> tuple[dict[str, str], tuple[Line, ...]]:
    """Category, version and summary, and the lines that follow the block.

    Reports where one is missing, empty or not a text, and an unknown key.
    """
    lines = source.lines
    end = _end_of_block(lines)
    if end is None:
        source.report(
            1,
            _KIND,
            "has no front matter; start the file with a block between two lines '---' with "
            + ", ".join(CATEGORY_KEYS),
        )
        front, rest = {}, lines
    else:
        front, rest = _front(source, lines[1:end], CATEGORY_KEYS), lines[end + 1 :]
    front = {"category": source.path.stem, **_STAND_INS, **front}
    return {**front, "category": _name(source, front["category"])}, rest


def principles_front(source: Source) -> tuple[dict[str, str], tuple[Line, ...]]:
    """Name and version of the policy as a whole, empty without a block, and the lines that follow it."""
    end = _end_of_block(source.lines)
    if end is None:
        return {"name": "", "version": ""}, source.lines
    front = _front(source, source.lines[1:end], PRINCIPLES_KEYS)
    return {**_STAND_INS, **front}, source.lines[end + 1 :]


def line_of(source: Source, key: str) -> int:
    """The line on which the front matter has that key; 1 where it has it not."""
    found = (line.number for line in source.lines if line.text.split(":")[0].strip() == key)
    return next(found, 1)


def places(source: Source) -> dict[str, Place]:
    """Where the front matter's values stand, by their keys."""
    end = _end_of_block(source.lines)
    found: dict[str, Place] = {}
    key = ""
    for line in source.lines[1 : end or 1]:
        if not line.text[:1].isspace() and ":" in line.text:
            key = line.text.split(":")[0].strip()
            found[key] = Place(source.name, line.number, line.start, line.end)
        elif key and line.text.strip():
            found[key] = replace(found[key], end=line.end)
    return found


def _end_of_block(lines: Sequence[Line]) -> int | None:
    fences = [i for i, line in enumerate(lines) if line.text.rstrip() == "---"]
    return fences[1] if len(fences) > 1 and fences[0] == 0 else None


def _front(source: Source, lines: Sequence[Line], keys: Sequence[str]) -> dict[str, str]:
    """The block's values, those that are texts."""
    try:
        values = yaml.load("\n".join(line.text for line in lines), Loader=_LOADER)  # noqa: S506 - it makes texts, lists and dicts alone
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "not readable"
        source.report(
            mark.line + 2 if mark else 1,
            _KIND,
            f"the front matter is not YAML: {what}; write 'key: value'",
        )
        return {}
    if not isinstance(values, dict):
        source.report(
            1, _KIND, "the front matter is not a list of 'key: value'; it needs " + ", ".join(keys)
        )
        return {}
    return _checked(source, values, keys)


def _checked(
    source: Source, values: Mapping[object, object], keys: Sequence[str]
) -> dict[str, str]:
    """The values that are texts, on one line each."""
    for key in values:
        if key not in keys:
            source.report(
                line_of(source, str(key)),
                _KIND,
                f"unknown key in the front matter ({key!r}); {did_you_mean(str(key), keys)}",
            )
    front = {}
    for key in keys:
        value = values.get(key)
        if key not in values:
            source.report(1, _KIND, f"the front matter has no {key!r}; add the line '{key}: …'")
        elif not isinstance(value, str):
            source.report(
                line_of(source, key),
                _KIND,
                f"{key!r} is not a text ({value!r}); put it between quotes",
            )
        elif not value.strip():
            source.report(line_of(source, key), _KIND, f"{key!r} is empty; {_WHY[key]}")
        else:
            front[key] = " ".join(value.split())
    return front


def _name(source: Source, name: str) -> str:
    if _SLUG.fullmatch(name) and name != GENERAL:
        return name
    rule = (
        "use a-z, 0-9, '-' and '_'"
        if name != GENERAL
        else "'general' is the category that no policy governs"
    )
    source.report(
        line_of(source, "category"), _KIND, f"not a name for a category ({name!r}); {rule}"
    )
    return source.path.stem
