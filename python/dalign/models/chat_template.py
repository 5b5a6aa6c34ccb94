"""A tokenizer's chat template, filled in: the one place where a conversation becomes text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any

from dalign.errors import InputError
from dalign.text import short
from dalign.trial import MOST_CHARACTERS

Conversation = Sequence[Mapping[str, Any]]

# What a turn's reasoning is given as; the first is read by most templates, the second by gpt-oss's.
THOUGHTS = ("reasoning_content", "thinking", "reasoning")
# What a template writes the date or the time by.
ASKS_FOR_TIME = "strftime_now"
WAY_OUT = "change its turns, or the checkpoint's chat_template.jinja"


def render(
    tokenizer: Any,
    messages: Conversation,
    *,
    asks: bool,
    day: date | None = None,
    in_parts: bool = False,
) -> str:
    """The conversation as the template writes it.

    asks: with what asks for the next answer. day: what the template writes where it writes the date, and as a
    `datetime` where it writes the time, which is else midnight; None: today. in_parts: contents go as lists of one text, as templates of models that also see images want them.
    Raises InputError where the template refuses it; its `value` is what the template says.
    """
    named = [_by_each_name(turn) for turn in messages]
    turns = [_in_parts(turn) if in_parts else turn for turn in named]
    try:
        with _held(tokenizer, day):
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asks)
    except Exception as error:
        # A template can fail in any way: it is a program of others.
        words = short(" ".join(str(error).split()) or type(error).__name__, 200)
        said = (
            f"the chat template refuses the conversation {_start(messages)}… ({words}); {WAY_OUT}"
        )
        raise InputError(said, kind="template", value=words) from error
    if len(text) > MOST_CHARACTERS:
        said = f"the chat template makes {len(text):,} characters of the conversation {_start(messages)}…, more than {MOST_CHARACTERS:,}; {WAY_OUT}"
        raise InputError(said, kind="template")
    return str(text)


def _start(messages: Conversation) -> str:
    return json.dumps(list(map(dict, messages)), ensure_ascii=False)[:60]


def tried(
    tokenizer: Any,
    messages: Conversation,
    *,
    asks: bool,
    day: date | None = None,
    in_parts: bool = False,
) -> str:
    """The same; nothing where the template refuses it."""
    try:
        return render(tokenizer, messages, asks=asks, day=day, in_parts=in_parts)
    except InputError:
        return ""


def wants_parts(tokenizer: Any) -> bool:
    """Whether the template takes contents as lists of parts only."""
    word = "Usrquerl"
    as_text, as_parts = (
        tried(tokenizer, [{"role": "user", "content": word}], asks=False, in_parts=in_parts)
        for in_parts in (False, True)
    )
    # A list may also be written as Python shows it.
    return word in as_parts and "'type'" not in as_parts and word not in as_text


def _by_each_name(turn: Mapping[str, Any]) -> dict[str, Any]:
    """The turn with its reasoning under the names that templates read: newer transformers do so too."""
    thought = next((turn[name] for name in THOUGHTS if turn.get(name) is not None), None)
    if thought is None:
        return dict(turn)
    return {"thinking": thought, **turn, "reasoning_content": thought}


def _in_parts(turn: Mapping[str, Any]) -> dict[str, Any]:
    content = turn.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {**turn, "content": parts}


@contextmanager
def _held(tokenizer: Any, day: date | None) -> Iterator[None]:
    """Templates ask transformers for the time (`strftime_now`): meanwhile it is that moment, the first of a day."""
    if ASKS_FOR_TIME not in str(tokenizer.chat_template):
        yield
        return
    from transformers.utils import chat_template_utils

    day = day or date.today()
    held = day if isinstance(day, datetime) else datetime.combine(day, time())

    class Held(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return held.replace(tzinfo=tz)

    # transformers hands no clock in, and what is passed to a template beside messages is made plain data.
    theirs = chat_template_utils.datetime
    chat_template_utils.datetime = Held
    try:
        yield
    finally:
        chat_template_utils.datetime = theirs
