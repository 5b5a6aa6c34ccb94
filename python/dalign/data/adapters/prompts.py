"""Prompts from JSONL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dalign.data.jsonl import (
    RowError,
    messages_field,
    only_keys,
    rows_of,
    text_field,
    turns,
)
from dalign.errors import did_you_mean
from dalign.rows import Expected, Prompt, prompt_id
from dalign.spec.types import GENERAL, RULINGS, Spec
from dalign.text import short

# An expected answer that starts with this is a regular expression for the whole answer.
PATTERN_MARK = "re:"

_KEYS = ("id", "category", "messages", "split", "expected", "required_sections")
_EXPECTED = ("ruling", "clause", "answer")


def prompt_rows(path: Path, spec: Spec) -> Iterator[Prompt]:
    """The prompts of a JSONL file, in its order; a prompt without an id gets a hash of its content.

    Raises InputError, which names line, value and way out, for the first line that is no prompt.
    """
    categories = (*spec.names, GENERAL)
    clauses = {clause.id for category in spec.categories for clause in category.clauses}

    def parse(row: Mapping[str, object]) -> Prompt:
        return _prompt(row, categories, clauses)

    return rows_of(path, parse, lambda prompt: prompt.id)


def _prompt(row: Mapping[str, object], categories: tuple[str, ...], clauses: set[str]) -> Prompt:
    only_keys(row, _KEYS, "the row")
    given_id = text_field(row, "id", "id")
    category = text_field(row, "category", "category")
    if category is None:
        raise RowError(
            f"category is missing; give one of {', '.join(categories)}",
            kind="missing_key",
            key="category",
        )
    if category not in categories:
        raise RowError(
            f"unknown category {short(category)!r}; known: {', '.join(categories)} ('{GENERAL}' for a prompt that no policy governs)",
            kind="unknown_choice",
            key="category",
            value=category,
        )
    messages = messages_field(row)
    for number, message in enumerate(messages):
        only_keys(message, ("role", "content"), f"messages[{number}]")
    if messages[-1]["role"] != "user":
        raise RowError(
            f"the last message is of the role {messages[-1]['role']!r}; a prompt ends on the user turn that is to be answered"
        )
    conversation = turns(messages)
    return Prompt(
        given_id or prompt_id(category, conversation),
        category,
        conversation,
        text_field(row, "split", "split"),
        _expected(row.get("expected"), clauses),
        _required_sections(row.get("required_sections")),
    )


def _expected(value: object, clauses: set[str]) -> Expected | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RowError(
            f'expected is not an object ({short(json.dumps(value))}); write {{"ruling": …}}'
        )
    only_keys(value, _EXPECTED, "expected")
    ruling = text_field(value, "ruling", "expected.ruling")
    if ruling is not None and ruling not in RULINGS:
        raise RowError(
            f"unknown ruling {short(ruling)!r} in expected; {did_you_mean(ruling, RULINGS)}",
            kind="unknown_choice",
            key="expected.ruling",
            value=ruling,
        )
    clause = text_field(value, "clause", "expected.clause")
    if clause is not None and clause not in clauses:
        way_out = did_you_mean(clause, sorted(clauses))
        raise RowError(
            f"unknown clause {short(clause)!r} in expected; {way_out}",
            kind="unknown_choice",
            key="expected.clause",
            value=clause,
        )
    answer = text_field(value, "answer", "expected.answer")
    if answer is not None and answer.startswith(PATTERN_MARK):
        try:
            re.compile(answer.removeprefix(PATTERN_MARK))
        except re.error as error:
            raise RowError(
                f"expected.answer is not a regular expression ({short(answer)!r}: {error}); correct it, or leave out '{PATTERN_MARK}'"
            ) from error
    return Expected(ruling, clause, answer)


def _required_sections(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RowError(
            f"required_sections is not a list ({short(json.dumps(value))}); write a list of texts"
        )
    found = []
    for number, _ in enumerate(value):
        where = f"required_sections[{number}]"
        text = text_field({where: value[number]}, where, where)
        if text is None:
            raise RowError(f"{where} is null; write the section's heading or leave it out")
        found.append(text)
    return tuple(found)
