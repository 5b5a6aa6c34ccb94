"""A file of prompts, each in the coats of some transforms: rows that know which prompt they are of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dalign.data.jsonl import RowError, messages_field, rows_of, text_field, turns
from dalign.errors import InputError, check_place
from dalign.files.feeds import rows_files
from dalign.files.sift import dropped_path
from dalign.progress import Going, Progress
from dalign.rows import Message, prompt_id
from dalign.store.whole_files import whole
from dalign.transforms import Transform

# What a row has more than its prompt's: the id of that, and the name of the transform, which is this one for the prompt itself.
ORIGIN, TRANSFORM, PLAIN = "origin", "transform", "none"
SUFFIX = ".jsonl"


@dataclass
class Transformed:
    """What was made: prompts read, rows written, and rows that a transform cannot be, by transform and reason."""

    prompts: int = 0
    written: int = 0
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Row:
    id: str
    rest: Mapping[str, object]
    messages: tuple[Message, ...]


def transform_file(
    source: Path,
    out: Path,
    transforms: Sequence[Transform],
    *,
    plain: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Transformed:
    """Writes a row for each prompt and transform, and beside `out` those that a transform cannot be, with the reason.

    plain: the prompts themselves too. Raises InputError for a row that is no prompt, or a place that cannot be written.
    """
    if out.suffix.lower() != SUFFIX:
        said = f"its name must end in {SUFFIX}: that is what is written"
        raise InputError.in_file(out, said, kind="unknown_choice")
    dropped = dropped_beside(out)
    for place in (out, dropped):
        check_place(place, force=force, inputs=[file.path for file in rows_files(source)])
    made = Transformed()
    prompts = sum(1 for file in rows_files(source) for _ in file.numbered_lines())
    going = Going(progress or Progress(), "transform", prompts)
    with whole(out) as kept, whole(dropped) as aside, kept.open("wb") as rows, aside.open("wb") as rest:  # fmt: skip
        names = {transform.name for transform in transforms}
        for row in rows_of(source, partial(_prompt, names=names), lambda row: row.id):
            made.prompts += 1
            for name, line, reason in _lines(row, transforms, plain=plain):
                (rows if reason is None else rest).write(line)
                made.written += reason is None
                made.dropped.update([] if reason is None else [(name, reason)])
            going.step(1)
    going.finish(f"{made.written} rows of {made.prompts} prompts")
    return made


def _lines(
    row: _Row, transforms: Sequence[Transform], *, plain: bool
) -> Iterator[tuple[str, bytes, str | None]]:
    """Each transform's name, its line, and why the row cannot be so, if it cannot."""
    if plain:
        yield PLAIN, _line(row, PLAIN, row.messages), None
    for transform in transforms:
        reason = transform.fault(row.messages[-1]["content"])
        messages = transform.of(row.messages) if reason is None else row.messages
        more = {} if reason is None else {"reason": reason}
        yield transform.name, _line(row, transform.name, messages, **more), reason


def dropped_beside(out: Path) -> Path:
    """Where the rows go that a transform cannot be."""
    return dropped_path(out, SUFFIX)


def _prompt(row: Mapping[str, object], names: Collection[str]) -> _Row:
    for key in (ORIGIN, TRANSFORM):
        if key in row:
            what = f"has the key {key!r} already, which says of what a row is made; rename it"
            raise RowError(what, "repeated", key)
    messages = turns(messages_field(row))
    if messages[-1]["role"] != "user":
        what = f"the last message is of the role {messages[-1]['role']!r}; a prompt ends on the user turn that is to be answered"
        raise RowError(what)
    category = text_field(row, "category", "category") or ""
    name = text_field(row, "id", "id") or prompt_id(category, messages)
    if name.rpartition("#")[2] in names and "#" in name:
        what = f"id {name!r} ends as that of a transformed prompt does; rename it"
        raise RowError(what, "repeated", "id", name)
    rest = {key: value for key, value in row.items() if key not in ("id", "messages")}
    try:
        json.dumps(rest, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        what = "a further key holds half of a surrogate pair; write the whole character"
        raise RowError(what, "encoding") from error
    return _Row(name, rest, messages)


def _line(row: _Row, transform: str, messages: Sequence[Message], **more: str) -> bytes:
    name = row.id if transform == PLAIN else f"{row.id}#{transform}"
    told = {
        "id": name,
        **row.rest,
        "messages": list(messages),
        ORIGIN: row.id,
        TRANSFORM: transform,
    }
    return json.dumps(told | more, ensure_ascii=False).encode() + b"\n"
