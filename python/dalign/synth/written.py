"""What a writer wrote, read as prompts. It is untrusted text: what cannot be read is told, and nothing is run."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dalign import _core
from dalign.models.protocol import Reply
from dalign.models.reasoning import after_reasoning
from dalign.rows import NEVER_CAME, Message, prompt_id
from dalign.synth.codes import encoded, has_passage
from dalign.synth.orders import ENCODED, Order

# A longer prompt is a writer that has lost its way.
MAX_CHARS = 4_000

_NUMBERED = re.compile(r"\s*(?:\*\*)?\d{1,3}[.)](?:\*\*)?\s+(\S.*)")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "`": "`"}
_SHOWN = 80
# What stands after a reply's reasoning; None where that is not closed.
Said = Callable[[str], str | None]


@dataclass(frozen=True)
class Candidate:
    """A prompt that was written for an order."""

    order: Order
    messages: tuple[Message, ...]

    @property
    def category(self) -> str:
        """The category by whose policy it is ruled."""
        return self.order.clause.category

    @property
    def text(self) -> str:
        """What it says, whoever says it."""
        return text_of(self.messages)

    @property
    def id(self) -> str:
        """The prompt's id: a hash of category and messages."""
        return prompt_id(self.category, self.messages)


class Rejected(NamedTuple):
    """A prompt, or a whole reply, that is not kept."""

    order: Order
    text: str
    reason: str
    detail: str


def read_written(
    orders: Sequence[Order],
    replies: Sequence[Reply],
    control_tokens: Iterable[str],
    said: Said = after_reasoning,
) -> tuple[list[Candidate], list[Rejected]]:
    """The prompts of each order's reply in order, and what is dropped at first sight.

    Reasons: error or timeout (no reply; the text is why), unreadable (a whole reply), surplus (more than were ordered), over_long, control_text
    (control characters, a control marker of any family, or one of `control_tokens`), wrong_form (a message alone where more was ordered, or
    the other way round; no passage to be encoded).
    """
    markers = _core.Markers(list(control_tokens))
    kept: list[Candidate] = []
    dropped: list[Rejected] = []
    for order, reply in zip(orders, replies, strict=True):
        prompts = prompts_of(reply, said)
        if not prompts:
            ended = f"the reply ended by {reply.finish}"
            detail = f"no list of prompts ({ended}): {reply.text[:_SHOWN]}"
            came = reply.finish not in NEVER_CAME
            reason, detail = ("unreadable", detail) if came else (reply.finish, ended)
            dropped.append(Rejected(order, reply.text[:MAX_CHARS], reason, detail))
        for number, messages in enumerate(prompts):
            flaw = _flaw(messages, number, order, markers)
            if flaw is None:
                whole = (
                    encoded(messages, f"{order.id} {number}") if order.form == ENCODED else messages
                )
                kept.append(Candidate(order, whole))
            else:
                dropped.append(Rejected(order, text_of(messages)[:MAX_CHARS], *flaw))
    return kept, dropped


def text_of(messages: Sequence[Message]) -> str:
    """All that a conversation says."""
    return "\n".join(message["content"] for message in messages)


def _flaw(
    messages: Sequence[Message], number: int, order: Order, markers: _core.Markers
) -> tuple[str, str] | None:
    text = text_of(messages)
    if number >= order.count:
        return "surplus", f"{order.count} ordered, this is number {number + 1}"
    roles = [message["role"] for message in messages]
    holds = {"turns": "assistant" in roles, "operator": roles[0] == "system"}
    if not holds.get(order.form, len(messages) == 1):
        return "wrong_form", f"{order.form} ordered, this has {', '.join(roles)}"
    if order.form == ENCODED and not has_passage(text):
        return "wrong_form", f"{ENCODED} ordered, and no passage stands between [[ and ]]"
    if len(text) > MAX_CHARS:
        return "over_long", f"{len(text)} characters, more than {MAX_CHARS}"
    bad = next((c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs")), "")
    if bad:
        return "control_text", f"holds {bad!a}"
    token = markers.first(text)
    return None if token is None else ("control_text", f"holds {token!r}")


def prompts_of(reply: Reply, said: Said = after_reasoning) -> list[tuple[Message, ...]]:
    """The prompts of a reply: of JSON objects with `prompt` or `messages`, one a line, else of a JSON list, else of a numbered list."""
    text = "" if reply.finish in NEVER_CAME else said(reply.text) or ""
    if reply.finish != "stop":
        # The last line was cut.
        text = text.rpartition("\n")[0]
    lines = [line for line in text.splitlines() if not line.strip().startswith("```")]
    found = [_prompt(_json(line.strip().rstrip(","))) for line in lines]
    prompts = [prompt for prompt in found if prompt]
    if not prompts:
        whole = _json("\n".join(lines))
        prompts = [p for each in whole if (p := _prompt(each))] if isinstance(whole, list) else []
    return prompts or [_said(text) for text in _numbered(lines)]


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _prompt(value: object) -> tuple[Message, ...]:
    """The prompt of a JSON value; empty where it has none. A bare text is one in a list alone, so it must be quoted."""
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return _turns(value["messages"])
    text = value.get("prompt") if isinstance(value, dict) else value
    return _said(text.strip()) if isinstance(text, str) and text.strip() else ()


def _said(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def _turns(values: Sequence[object]) -> tuple[Message, ...]:
    """A conversation that ends on a user's turn; empty where it is none."""
    turns = []
    for value in values:
        role, text = (value.get("role"), value.get("content")) if isinstance(value, dict) else (None, None)  # fmt: skip
        if (
            not isinstance(text, str)
            or not text.strip()
            or role not in ("system", "user", "assistant")
        ):
            return ()
        turns.append(Message(role=role, content=text.strip()))
    roles = [turn["role"] for turn in turns]
    is_whole = roles[-1:] == ["user"] and "system" not in roles[1:]
    return tuple(turns) if is_whole else ()


def _numbered(lines: Iterable[str]) -> list[str]:
    """The items of a numbered list; an item goes on until an empty line or the next number."""
    items: list[str] = []
    open_item = False
    for line in lines:
        if match := _NUMBERED.fullmatch(line):
            items.append(match[1].strip())
        elif line.strip() and open_item:
            items[-1] += f"\n{line.strip()}"
        open_item = bool(match or (line.strip() and open_item))
    return [text for item in items if (text := _unquoted(item))]


def _unquoted(text: str) -> str:
    text = text.strip().strip("*").strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    return text
