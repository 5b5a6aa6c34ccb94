"""Golden cases: prompts whose right ruling is known, each with an answer that keeps the policy or does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from dalign.errors import did_you_mean
from dalign.parsing import json_value
from dalign.rows import ROLES, Message
from dalign.spec.findings import Finding, Reports, SourceError, raised
from dalign.spec.outline import Line, Source, read_source
from dalign.spec.types import RULINGS, Ruling, Spec
from dalign.text import short

FOLDER = "golden"
Verdict = Literal["pass", "fail"]
_KEYS = ("id", "category", "prompt", "messages", "answer", "ruling", "clause", "verdict", "note")
_KIND = "golden"


@dataclass(frozen=True)
class GoldenCase:
    """A prompt, the ruling and clause that the policy has for it, and whether `answer` keeps the policy.

    `clause` is None for a prompt that no clause governs; its ruling is then `comply`. It may be another category's, to
    which the case's own defers.
    """

    id: str
    category: str
    messages: tuple[Message, ...]
    answer: str
    ruling: Ruling
    clause: str | None
    verdict: Verdict
    path: Path = field(compare=False)
    line: int = field(compare=False)


def load_golden(spec: Spec, reports: Reports = raised) -> list[GoldenCase]:
    """The golden cases of a policy, from `golden/*.jsonl` in its folder; none where there is no such folder.

    What is wrong with a line goes to `reports`, and the line is left out; by default it is raised as an InputError.
    """
    cases: dict[str, GoldenCase] = {}
    for path in sorted((spec.folder / FOLDER).glob("*.jsonl")):
        try:
            source = read_source(spec.folder, path, reports)
        except SourceError as error:
            reports(error.finding)
            continue
        for case in _cases(spec, source):
            first = cases.setdefault(case.id, case)
            if first is not case:
                what = f"id {case.id!r} is taken by {first.path.name}:{first.line}; give one of the two another id"
                source.report(case.line, _KIND, what)
    return list(cases.values())


class _CaseError(ValueError):
    """What is wrong with a line, in a sentence."""


def _cases(spec: Spec, source: Source) -> Iterator[GoldenCase]:
    clauses = {clause.id: clause.ruling for clause in spec.clauses()}
    for line in source.lines:
        if line.text.strip():
            try:
                yield _case(spec, clauses, source, line)
            except _CaseError as error:
                source.report(line.number, _KIND, str(error))


def _case(spec: Spec, clauses: Mapping[str, Ruling], source: Source, line: Line) -> GoldenCase:
    try:
        row = json_value(line.text)
    except ValueError as error:
        raise _CaseError(f"not JSON ({error}); write one object a line") from error
    if not isinstance(row, dict):
        raise _CaseError(f"not an object ({short(line.text)!r}); write one object a line")
    for key in row:
        if key not in _KEYS:
            raise _CaseError(f"unknown key ({key!r}); {did_you_mean(str(key), _KEYS)}")
    category = _one_of(row, "category", spec.prompt_names)
    ruling = cast(Ruling, _one_of(row, "ruling", RULINGS))
    clause = _clause(row, ruling, clauses)
    return GoldenCase(
        id=_text(row, "id") if "id" in row else f"{source.path.stem}-line-{line.number}",
        category=category,
        messages=_messages(row),
        answer=_text(row, "answer"),
        ruling=ruling,
        clause=clause,
        verdict=cast(Verdict, _one_of(row, "verdict", ("pass", "fail"))),
        path=source.path,
        line=line.number,
    )


def _clause(row: Mapping[str, object], ruling: Ruling, clauses: Mapping[str, Ruling]) -> str | None:
    if row.get("clause") is None:
        if ruling == "comply":
            return None
        what = f"clause is missing, and the ruling is {ruling!r}"
        raise _CaseError(f"{what}; name the clause that says so")
    clause = _one_of(row, "clause", clauses)
    if clauses[clause] != ruling:
        what = f"the ruling is {ruling!r}, and clause {clause} says {clauses[clause]!r}"
        raise _CaseError(f"{what}; make the two agree")
    return clause


def _messages(row: Mapping[str, object]) -> tuple[Message, ...]:
    if ("prompt" in row) == ("messages" in row):
        raise _CaseError("write either 'prompt', a text, or 'messages', a conversation")
    if "prompt" in row:
        return (Message(role="user", content=_text(row, "prompt")),)
    messages = row["messages"]
    if not isinstance(messages, list) or not messages:
        raise _CaseError("'messages' is no list of messages; write [{'role': …, 'content': …}]")
    turns: list[Message] = []
    for message in messages:
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            raise _CaseError("a message has exactly 'role' and 'content'")
        # A role stands in the judge's prompt outside of what is fenced.
        role = _one_of(message, "role", ROLES)
        if role == "system" and turns:
            raise _CaseError("a system message can only be the first one")
        turns.append(Message(role=role, content=_text(message, "content")))
    if turns[-1]["role"] != "user":
        what = f"the last message is of the role {turns[-1]['role']!r}"
        raise _CaseError(f"{what}; a prompt ends on a user turn")
    return tuple(turns)


def _one_of(row: Mapping[str, object], key: str, known: Collection[str]) -> str:
    value = _text(row, key)
    if value not in known:
        raise _CaseError(f"unknown {key} ({value!r}); {did_you_mean(value, known)}")
    return value


def _text(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _CaseError(f'{key} is missing or no text; write "{key}": "…"')
    return value


def finding(case: GoldenCase, kind: str, text: str) -> Finding:
    """A finding at the case's line."""
    return Finding(case.path, case.line, kind, text, case.clause or "")
