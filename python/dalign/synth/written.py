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
from dalign.synth.orders import Order

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
    text: str

    @property
    def category(self) -> str:
        """The category by whose policy it is ruled."""
        return self.order.clause.category

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that it is."""
        return (Message(role="user", content=self.text),)

    @property
    def id(self) -> str:
        """The prompt's id: a hash of category and text."""
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
    (control characters, a control marker of any family, or one of `control_tokens`).
    """
    markers = _core.Markers(list(control_tokens))
    kept: list[Candidate] = []
    dropped: list[Rejected] = []
    for order, reply in zip(orders, replies, strict=True):
        texts = prompts_of(reply, said)
        if not texts:
            ended = f"the reply ended by {reply.finish}"
            detail = f"no list of prompts ({ended}): {reply.text[:_SHOWN]}"
            came = reply.finish not in NEVER_CAME
            reason, detail = ("unreadable", detail) if came else (reply.finish, ended)
            dropped.append(Rejected(order, reply.text[:MAX_CHARS], reason, detail))
        for number, text in enumerate(texts):
            flaw = _flaw(text, number, order.count, markers)
            if flaw is None:
                kept.append(Candidate(order, text))
            else:
                dropped.append(Rejected(order, text[:MAX_CHARS], *flaw))
    return kept, dropped


def _flaw(text: str, number: int, ordered: int, markers: _core.Markers) -> tuple[str, str] | None:
    if number >= ordered:
        return "surplus", f"{ordered} ordered, this is number {number + 1}"
    if len(text) > MAX_CHARS:
        return "over_long", f"{len(text)} characters, more than {MAX_CHARS}"
    bad = next((c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs")), "")
    if bad:
        return "control_text", f"holds {bad!a}"
    token = markers.first(text)
    return None if token is None else ("control_text", f"holds {token!r}")


def prompts_of(reply: Reply, said: Said = after_reasoning) -> list[str]:
    """The prompts of a reply: of JSON objects with `prompt`, one a line, else of a JSON list, else of a numbered list."""
    text = "" if reply.finish in NEVER_CAME else said(reply.text) or ""
    if reply.finish != "stop":
        # The last line was cut.
        text = text.rpartition("\n")[0]
    lines = [line for line in text.splitlines() if not line.strip().startswith("```")]
    found = [_prompt(_json(line.strip().rstrip(","))) for line in lines]
    texts = [text for text in found if text]
    if not texts:
        whole = _json("\n".join(lines))
        texts = [t for each in whole if (t := _prompt(each))] if isinstance(whole, list) else []
    return texts or _numbered(lines)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _prompt(value: object) -> str:
    """The prompt of a JSON value; empty where it has none. A bare text is one in a list alone, so it must be quoted."""
    text = value.get("prompt") if isinstance(value, dict) else value
    return text.strip() if isinstance(text, str) else ""


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
