"""What new prompts may not repeat: the prompts and examples that are there, and the evaluation sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

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
        for batch in look_through(rows, [], ["messages", "prompt"], Progress(), path.name):
            prompts, conversations = batch.objects("prompt"), batch.objects("messages")
            for row in range(batch.rows):
                for text in _user_turns(batch, row, prompts[row], conversations[row]):
                    yield text, batch.place(row)


def there(files: Sequence[Path], what: str, progress: Progress) -> list[Path]:
    """Those of a config's files that exist: prompts may be written before there are any."""
    for path in files:
        if not path.is_file():
            progress.say(f"{path}: the config's {what} are not there yet, and not looked at")
    return [path for path in files if path.is_file()]


def _user_turns(batch: Batch, row: int, prompt: object, messages: object) -> Iterator[str]:
    """What the user says in a row: its `prompt`, or the user's turns of its `messages`."""
    if isinstance(prompt, str):
        yield prompt
    elif isinstance(messages, list):
        for message in messages:
            content = message.get("content") if isinstance(message, dict) else None
            if not isinstance(content, str):
                raise batch.refuse(row, "holds a message without a text under 'content'; write one")
            if message.get("role") == "user":
                yield content
    else:
        raise batch.refuse(row, "has neither 'messages', a list, nor 'prompt', a text; give one")
