"""The front matter of a policy's file: a block of YAML between two lines `---`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

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
_DEEPEST = 8
# The base loader knows texts only: version 1.10 stays '1.10'. In C where libyaml is there.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def category_front(source: Source) -> tuple[dict[str, str], tuple[Line, ...]]:
    """Category, version and summary, and the lines that follow the block.

    Reports where one is missing, empty or not a text, and an unknown key.
    """
    stem, end = source.path.stem, _end_of_block(source)
    if not end:
        keys = ", ".join(CATEGORY_KEYS)
        what = f"has no front matter; start the file with a block between two lines '---' with {keys}"  # fmt: skip
        source.report(1, _KIND, what)
        return {"category": _name(source, stem), **_STAND_INS}, source.lines
    front = {"category": stem, **_STAND_INS, **_front(source, source.lines[1:end], CATEGORY_KEYS)}
    return front | {"category": _name(source, front["category"])}, source.lines[end + 1 :]


def principles_front(source: Source) -> tuple[dict[str, str], tuple[Line, ...]]:
    """Name and version of the policy as a whole, empty without a block, and the lines that follow it."""
    end = _end_of_block(source)
    if not end:
        return {"name": "", "version": ""}, source.lines
    front = _front(source, source.lines[1:end], PRINCIPLES_KEYS)
    return _STAND_INS | front, source.lines[end + 1 :]


def places(source: Source) -> dict[str, Place]:
    """Where the front matter's values stand, by their keys."""
    found: dict[str, Place] = {}
    key = ""
    for line in source.lines[1 : _end_of_block(source) or 1]:
        if not line.text[:1].isspace() and ":" in line.text:
            key = line.text.split(":")[0].strip()
            found[key] = Place(source.name, line.number, line.start, line.end)
        elif key and line.text.strip():
            found[key] = replace(found[key], end=line.end)
    return found


def _end_of_block(source: Source) -> int:
    """The index of the line that ends the block; 0 where the file has none."""
    fences = [i for i, line in enumerate(source.lines) if line.text.rstrip() == "---"]
    return fences[1] if len(fences) > 1 and fences[0] == 0 else 0


def _front(source: Source, lines: Sequence[Line], keys: Sequence[str]) -> dict[str, str]:
    """The block's values, those that are texts, on one line each."""
    try:
        text = "\n".join(line.text for line in lines)
        _check_flat(text)
        values = yaml.load(text, Loader=_LOADER)  # noqa: S506 - it makes texts, lists and dicts alone
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = f"the front matter is not YAML: {getattr(error, 'problem', None) or 'not readable'}"
        source.report(mark.line + 2 if mark else 1, _KIND, f"{what}; write 'key: value'")
        return {}
    if not isinstance(values, dict):
        what = "the front matter is not a list of 'key: value'"
        source.report(1, _KIND, f"{what}; it needs {', '.join(keys)}")
        return {}
    for key in values:
        if key not in keys:
            what = f"unknown key in the front matter ({key!r}); {did_you_mean(str(key), keys)}"
            _report(source, str(key), what)
    front = {}
    for key in keys:
        value = values.get(key)
        if key not in values:
            source.report(1, _KIND, f"the front matter has no {key!r}; add the line '{key}: …'")
        elif not isinstance(value, str):
            _report(source, key, f"{key!r} is not a text ({value!r}); put it between quotes")
        elif not value.strip():
            _report(source, key, f"{key!r} is empty; {_WHY[key]}")
        else:
            front[key] = " ".join(value.split())
    return front


def _check_flat(text: str) -> None:
    """Raises a YAMLError where values are nested or repeat each other: the reader of some levels ends the program."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
            what = "a value refers to another" if depth <= _DEEPEST else "a value is nested"
            # Either reader's mark has a line.
            mark: Any = event.start_mark
            raise yaml.MarkedYAMLError(problem=what, problem_mark=mark)


def _report(source: Source, key: str, what: str) -> None:
    """Reports it at the line on which the front matter has that key; at the first where it has it not."""
    found = (line.number for line in source.lines if line.text.split(":")[0].strip() == key)
    source.report(next(found, 1), _KIND, what)


def _name(source: Source, name: str) -> str:
    if _SLUG.fullmatch(name) and name != GENERAL:
        return name
    rule = "use a-z, 0-9, '-' and '_'"
    if name == GENERAL:
        rule = "'general' is the category that no policy governs"
    _report(source, "category", f"not a name for a category ({name!r}); {rule}")
    return source.path.stem
