"""What new prompts may not repeat: the prompts and examples that are there, and the evaluation sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dalign.files import chat
from dalign.files.batch import Batch
from dalign.files.sift import look_through, open_rows
from dalign.progress import Progress
from dalign.spec.types import Spec

_MEMORY_MIB = 64


def examples(spec: Spec) -> Iterator[tuple[str, str]]:
    """The examples of a policy, each with its place."""
    for clause in spec.clauses():
        for text in (*clause.allowed, *clause.disallowed):
            yield text, f"an example of {clause.id}"


def prompts_in(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """What the users say in files of prompts, each with its place."""
    for path in dict.fromkeys(files):
        rows = open_rows(path, _MEMORY_MIB)
        for batch in look_through(rows, [], chat.FIELDS, Progress(), path.name):
            for row, value in enumerate(batch.values()):
                for text in _user_turns(batch, row, value):
                    yield text, batch.place(row)


def there(files: Sequence[Path], what: str, progress: Progress) -> list[Path]:
    """Those of a config's files that exist: prompts may be written before there are any."""
    for path in files:
        if not path.is_file():
            progress.say(f"{path}: the config's {what} are not there yet, and not looked at")
    return [path for path in files if path.is_file()]


def _user_turns(batch: Batch, row: int, value: Mapping[str, object]) -> Iterator[str]:
    """What the user says in a row."""
    turns = chat.conversation(value)
    if turns is None:
        said = "has neither 'messages', a list, nor 'prompt', a text; give one"
        raise batch.refuse(row, said)
    for turn in turns:
        content = turn.get("content") if isinstance(turn, Mapping) else None
        if not isinstance(content, str):
            raise batch.refuse(row, "holds a message without a text under 'content'; write one")
        if isinstance(turn, Mapping) and turn.get("role") == "user":
            yield content
