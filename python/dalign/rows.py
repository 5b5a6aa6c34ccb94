"""THE types: the rows that stages hand to each other, and their ids.

A stage reads rows and writes new ones that name the earlier ones by id; rows are never edited.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypedDict

from dalign import _core

# The label of a token that carries no loss.
IGNORED = -100


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class Expected:
    """What is known of the right behaviour. Used to evaluate, to balance and as the judge's hint; never to decide."""

    ruling: str | None = None
    clause: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Prompt:
    """A conversation that ends on a user turn, with its category."""

    id: str
    category: str
    messages: tuple[Message, ...]
    split: str | None = None
    expected: Expected | None = None
    required_sections: tuple[str, ...] = ()


Finish = Literal["stop", "length", "error", "timeout"]


@dataclass(frozen=True)
class Completion:
    """What a model wrote for a prompt: raw text, and how it ended."""

    id: str
    prompt_id: str
    category: str
    index: int
    text: str
    finish: Finish


@dataclass(frozen=True)
class Example:
    """A training example. It has no field for the policy: the trained model never sees it."""

    id: str
    completion_id: str
    prompt_id: str
    category: str
    messages: tuple[Message, ...]
    reasoning: str
    answer: str
    score: float


@dataclass(frozen=True)
class AnswerToJudge:
    """What RL hands to a judge. It has no field for the reasoning: no pressure may fall on it (paper 2.4)."""

    prompt_id: str
    category: str
    messages: tuple[Message, ...]
    answer: str


def completion_id(prompt_id: str, variant: str, index: int) -> str:
    """The id of a prompt's `index`-th completion in that variant."""
    return _core.row_id([prompt_id], variant, index)


def row_seed(seed: int, *parts: str) -> int:
    """A row's own seed, from the run's and what the row is: 63 bits."""
    return int(_core.row_id([str(seed), *parts], "seed", 0)[:16], 16) >> 1


def prompt_id(category: str, messages: tuple[Message, ...]) -> str:
    """The id of a prompt that brings none: a hash of its content."""
    return _core.row_id([category, messages_json(messages)], "prompt", 0)


def messages_json(messages: tuple[Message, ...] | list[Message]) -> str:
    """Messages as one line of JSON, the same for equal messages."""
    return json.dumps(
        [{"role": m["role"], "content": m["content"]} for m in messages], ensure_ascii=False
    )


def messages_from_json(text: str) -> tuple[Message, ...]:
    """The inverse of `messages_json`."""
    return tuple(Message(role=m["role"], content=m["content"]) for m in json.loads(text))
