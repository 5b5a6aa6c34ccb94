"""Examples that stand twice, with different rulings or needlessly with the same one, or that name a clause which rules otherwise."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.lints.near import NearTexts
from dalign.spec.types import Clause, Ruling, Spec
from dalign.text import short

_COMPLY: frozenset[Ruling] = frozenset(("comply",))
_NOT_COMPLY: frozenset[Ruling] = frozenset(("refuse", "safe-complete"))


_QUOTED = re.compile(r"\s*[-*+]\s+\w+:\s*[\"“]")
_DESCRIBED = re.compile(
    r"(?:(?:the|a|an) (?:user|person|customer|asker)s?|users?|someone|somebody|(?:any |all )?(?:requests?|questions?|prompts?|messages?|asks|asking))\s+"
    r"(?:(?:who|that|which)\s+)?(?:asks?|asking|wants?|wanting|says?|saying|requests?|tells?|for|about|on how|whether|to)\b",
    re.IGNORECASE,
)


class _Example(NamedTuple):
    """A prompt, the rulings that its place leaves open, and that place."""

    text: str
    rulings: frozenset[Ruling]
    clause: str
    file: Path
    line: int


def examples(spec: Spec, golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kinds `example-clause`, `conflicting-examples` and `repeated-example`. Golden cases may repeat a prompt with other answers."""
    yield from _named(spec)
    first: dict[str, _Example] = {}
    of_clauses = [each for clause in spec.clauses() for each in _of_clause(spec, clause)]
    for example in of_clauses:
        other = first.setdefault(_normal(example.text), example)
        if other is not example:
            yield _twice(example, other)
    yield from _nearly_twice(of_clauses)
    for case in golden:
        text = "\n".join(message["content"] for message in case.messages)
        example = _Example(text, frozenset((case.ruling,)), case.clause or "", case.path, case.line)
        other = first.setdefault(_normal(text), example)
        if not other.rulings & example.rulings:
            yield _twice(example, other)


def _nearly_twice(examples: Sequence[_Example]) -> Iterator[Finding]:
    """Examples of one side that differ in a word or two; across the sides they are twins."""
    near: dict[frozenset[Ruling], NearTexts] = defaultdict(NearTexts)
    seen: set[str] = set()
    for example in examples:
        normal = _normal(example.text)
        where = near[example.rulings].like(example.text) if normal not in seen else ""
        if where:
            text = f"the example {example.text!r} is nearly that of {where}; write another one: each example is to teach something of its own"
            yield Finding(example.file, example.line, "repeated-example", text, example.clause)
        seen.add(normal)
        near[example.rulings].add(example.text, f"{example.file.name}:{example.line}")


def forms(spec: Spec) -> Iterator[Finding]:
    """Kind `example-form`."""
    lines: dict[str, list[str]] = {}
    for clause in spec.clauses():
        file = spec.folder / clause.place.file
        if clause.place.file not in lines:
            lines[clause.place.file] = file.read_bytes().decode("utf-8").split("\n")
        for text in (*clause.allowed, *clause.disallowed):
            line = clause.lines.get(text, clause.place.line)
            written = lines[clause.place.file][line - 1]
            if not _QUOTED.match(written):
                what = "stands without double quotes"
            elif _DESCRIBED.match(text) or (len(text.split()) < 2 and text.isascii()):
                what = "tells of a message"
            else:
                continue
            said = f"the example {short(text)!r} {what}; write a whole message between double quotes, as a user would type it"
            yield Finding(file, line, "example-form", said, clause.id)


def _named(spec: Spec) -> Iterator[Finding]:
    """Examples that name a clause whose ruling they cannot have; and, where one names who takes over, those that don't."""
    rulings = {clause.id: clause.ruling for clause in spec.clauses()}
    permitting = [clause for clause in spec.clauses() if clause.ruling == "comply"]
    names_all = any(clause.ruled for clause in permitting)
    for clause in permitting if names_all else ():
        for text in set(clause.disallowed).difference(dict(clause.ruled)):
            what = "this disallowed example of a comply clause names no clause that rules it, and others do"
            way_out = "write it behind the example, as in (see K9)"
            yield _finding(spec, clause, text, f"{what}; {way_out}")
    for clause in spec.clauses():
        for text, name in clause.ruled:
            is_allowed = text in clause.allowed
            fits = (rulings.get(name) == "comply") is is_allowed
            if name not in rulings or (fits and (is_allowed or clause.ruling == "comply")):
                continue
            label = "allowed" if is_allowed else "disallowed"
            what = f"this {label} example names {name}, which rules {rulings[name]!r}"
            way_out = "name the clause that rules it, or none where this one does"
            yield _finding(spec, clause, text, f"{what}; {way_out}")


def _finding(spec: Spec, clause: Clause, example: str, said: str) -> Finding:
    line = clause.lines.get(example, clause.place.line)
    return Finding(spec.folder / clause.place.file, line, "example-clause", said, clause.id)


def _of_clause(spec: Spec, clause: Clause) -> Iterator[_Example]:
    file = spec.folder / clause.place.file
    # What a clause of compliance gives as its limit may be refused or safe-completed elsewhere.
    refused = _NOT_COMPLY if clause.ruling == "comply" else frozenset((clause.ruling,))
    for texts, rulings in ((clause.allowed, _COMPLY), (clause.disallowed, refused)):
        for text in texts:
            line = clause.lines.get(text, clause.place.line)
            yield _Example(text, rulings, clause.id, file, line)


def _twice(example: _Example, other: _Example) -> Finding:
    if example.rulings & other.rulings:
        kind, what = "repeated-example", "stands in"
        way_out = "write another one: each example is to teach something of its own"
    else:
        kind, what = "conflicting-examples", f"is ruled {_words(example)} here and {_words(other)} in"  # fmt: skip
        way_out = "decide which one holds, or say in one of them what differs"
    where = f"{other.file.name}:{other.line}" + (
        f" (clause {other.clause})" if other.clause else ""
    )
    text = f"the example {example.text!r} {what} {where} too; {way_out}"
    return Finding(example.file, example.line, kind, text, example.clause)


def _words(example: _Example) -> str:
    return " or ".join(repr(ruling) for ruling in sorted(example.rulings))


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
