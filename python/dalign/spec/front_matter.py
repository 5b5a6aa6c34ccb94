"""The front matter of a category's file: a block of YAML between two lines `---`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from dalign.errors import did_you_mean
from dalign.spec.outline import Line, Source
from dalign.spec.types import GENERAL

_FRONT = ("category", "version", "summary")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_WHY = {
    "category": "name the category, as in 'category: self-harm'",
    "version": "results name the version that they were judged by, so give one, as in 'version: 1.0.0'",
    "summary": "write the paragraph that goes into every category's prompt",
}


def front_matter(source: Source) -> tuple[dict[str, str], tuple[Line, ...]]:
    """Category, version and summary, and the lines that follow the block.

    Raises InputError where one is missing, empty or not a text, and for an unknown key.
    """
    lines = source.lines
    fences = [i for i, line in enumerate(lines) if line.text.rstrip() == "---"]
    if not fences or fences[0] != 0 or len(fences) < 2:
        raise source.error(
            1,
            "has no front matter; start the file with a block between two lines '---' with "
            + ", ".join(_FRONT),
        )
    text = "\n".join(line.text for line in lines[1 : fences[1]])
    try:
        # The base loader knows texts only: version 1.10 stays '1.10'.
        values = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and dicts alone
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "not readable"
        raise source.error(
            mark.line + 2 if mark else 1,
            f"the front matter is not YAML: {what}; write 'key: value'",
        ) from error
    if not isinstance(values, dict):
        raise source.error(
            1, "the front matter is not a list of 'key: value'; it needs " + ", ".join(_FRONT)
        )
    _check(source, values)
    return {key: " ".join(values[key].split()) for key in _FRONT}, lines[fences[1] + 1 :]


def _check(source: Source, values: Mapping[object, object]) -> None:
    line_of = {line.text.split(":")[0].strip(): line.number for line in reversed(source.lines)}
    for key in values:
        if key not in _FRONT:
            raise source.error(
                line_of.get(str(key), 1),
                f"unknown key in the front matter ({key!r}); {did_you_mean(str(key), _FRONT)}",
            )
    for key in _FRONT:
        value = values.get(key)
        if key not in values:
            raise source.error(1, f"the front matter has no {key!r}; add the line '{key}: …'")
        if not isinstance(value, str):
            raise source.error(
                line_of.get(key, 1), f"{key!r} is not a text ({value!r}); put it between quotes"
            )
        if not value.strip():
            raise source.error(line_of.get(key, 1), f"{key!r} is empty; {_WHY[key]}")
    name = str(values["category"]).strip()
    if not _SLUG.fullmatch(name) or name == GENERAL:
        rule = (
            "use a-z, 0-9, '-' and '_'"
            if name != GENERAL
            else "'general' is the category that no policy governs"
        )
        raise source.error(
            line_of.get("category", 1), f"not a name for a category ({name!r}); {rule}"
        )
