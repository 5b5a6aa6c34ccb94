"""Prompts from JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from dalign.data.jsonl import (
    RowError,
    messages_field,
    no_slips,
    only_keys,
    rows_of,
    text_field,
    turns,
    wrong_type,
)
from dalign.data.sections import required_sections
from dalign.errors import did_you_mean
from dalign.pattern import read_pattern
from dalign.rows import Expected, Prompt, prompt_id
from dalign.spec.types import GENERAL, RULINGS, Ruling, Spec
from dalign.text import short

# An expected answer that starts with this is a regular expression for the whole answer.
PATTERN_MARK = "re:"

_KEYS = (
    *("id", "category", "messages", "split", "expected"),
    *("required_sections", "sections_in_order"),
)


def prompt_rows(path: Path, spec: Spec) -> Iterator[Prompt]:
    """The prompts of a JSONL file, in its order; a prompt without an id gets a hash of its content.

    Raises InputError, which names line, value and way out, for the first line that is no prompt.
    """
    categories = spec.prompt_names
    clauses = {clause.id: clause.ruling for clause in spec.clauses()}
    parse = partial(_prompt, categories=categories, clauses=clauses)
    return rows_of(path, parse, lambda prompt: prompt.id)


def _prompt(
    row: Mapping[str, object], categories: Sequence[str], clauses: Mapping[str, Ruling]
) -> Prompt:
    labels = _labels(row)
    given_id = text_field(row, "id", "id")
    category, known = text_field(row, "category", "category"), ", ".join(categories)
    if category is None:
        raise RowError(f"category is missing; give one of {known}", "missing_key", "category")
    if category not in categories:
        way_out = f"known: {known} ('{GENERAL}' for a prompt that no policy governs)"
        what = f"unknown category {short(category)!r}; {way_out}"
        raise RowError(what, "unknown_choice", "category", category)
    messages = messages_field(row)
    for number, message in enumerate(messages):
        if message.get("reasoning"):
            way_out = "in a prompt earlier turns are shown by what they say alone: leave it out"
            raise RowError(f"messages[{number}] has reasoning; {way_out}")
    if messages[-1]["role"] != "user":
        role = messages[-1]["role"]
        way_out = "a prompt ends on the user turn that is to be answered"
        raise RowError(f"the last message is of the role {role!r}; {way_out}")
    conversation = turns(messages)
    return Prompt(
        given_id or prompt_id(category, conversation),
        category,
        conversation,
        text_field(row, "split", "split"),
        _expected(row.get("expected"), clauses, category),
        *required_sections(row),
        labels,
    )


def _labels(row: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The row's further keys, with their values as texts. Raises RowError for one that is like a known key."""
    found = {key: value for key, value in row.items() if key not in _KEYS}
    no_slips(found, _KEYS, "the row")
    return tuple((key, _label(key, value)) for key, value in found.items() if value is not None)


def _label(key: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        f"{key}{text}".encode()
    except UnicodeEncodeError as error:
        what = f"{short(key)!a} holds half of a surrogate pair ({short(text)!a}); write the whole character"
        raise RowError(what, "encoding", key, value) from error
    return text


def _expected(value: object, clauses: Mapping[str, Ruling], category: str) -> Expected | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong_type("expected", "an object", value, 'write {"ruling": …}')
    only_keys(value, ("ruling", "clause", "answer"), "expected")
    ruling = _choice(value, "ruling", RULINGS)
    own = f"{category}.{value.get('clause')}"
    clause = own if own in clauses else _choice(value, "clause", sorted(clauses))
    if ruling and clause and clauses[clause] != ruling:
        what = f"expected.ruling is {ruling!r}, and clause {clause} says {clauses[clause]!r}; make the two agree, or name the clause that rules {ruling!r}"
        raise RowError(what, "unknown_choice", "expected.ruling", ruling)
    answer = text_field(value, "answer", "expected.answer")
    if answer is not None and answer.startswith(PATTERN_MARK):
        try:
            read_pattern(answer.removeprefix(PATTERN_MARK).strip())
        except ValueError as error:
            what = f"expected.answer {short(answer)!r}: {error}, or leave out '{PATTERN_MARK}'"
            raise RowError(what, "pattern", "expected.answer", answer) from error
    return Expected(ruling, clause, answer)


def _choice(row: Mapping[str, object], key: str, known: Sequence[str]) -> str | None:
    value = text_field(row, key, f"expected.{key}")
    if value is not None and value not in known:
        what = f"unknown {key} {short(value)!r} in expected; {did_you_mean(value, known)}"
        raise RowError(what, "unknown_choice", f"expected.{key}", value)
    return value
