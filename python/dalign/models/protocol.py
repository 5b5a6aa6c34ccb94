"""What every engine does: take chat messages, give completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from dalign.rows import Finish, Message
from dalign.text import storable


@dataclass(frozen=True)
class Request:
    """One completion to be made. `seed` makes it repeatable: it depends on the row, not on the batch."""

    id: str
    messages: tuple[Message, ...]
    seed: int


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. temperature 0 is greedy; top_p in (0, 1]."""

    temperature: float
    max_new_tokens: int
    top_p: float = 1.0


@dataclass(frozen=True)
class Reply:
    """The completion of the request with that id. `text` excludes the end token.

    Whichever engine makes it, its text can be stored: what no file can hold is U+FFFD in it.
    """

    id: str
    text: str
    finish: Finish
    tokens: int

    def __post_init__(self) -> None:
        # Here, so that no engine can forget it.
        object.__setattr__(self, "text", storable(self.text))


class Engine(Protocol):
    """A model that completes conversations."""

    @property
    def fingerprint(self) -> str:
        """A hash of what determines its replies: weights, tokenizer and settings."""
        ...

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Strings that the model's template gives a meaning to; broken up in untrusted text."""
        ...

    @property
    def opens_reasoning(self) -> bool:
        """Whether its replies lack the tag that opens the reasoning, because the chat template wrote it."""
        ...

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Replies in lists as they finish, each request once, those in `done` left out.

        Batches are a function of `requests` alone, so that a resumed call gives the same replies as an undisturbed one.
        """
        ...
