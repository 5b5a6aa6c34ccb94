"""What a chat template does, found by rendering it: nothing is assumed of its name or its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.chat_template import Conversation, render, tried, wants_parts
from dalign.models.control import special_token_ids
from dalign.models.reasoning import THINK

# Words that no template holds and that each is one run of letters, so that trimming leaves them whole.
SYSTEM, USER, LATER, THOUGHT, ANSWER = "Sysquerl", "Usrquerl", "Latquerl", "Thoquerl", "Ansquerl"
# What a template writes to mark turns: <|im_start|>, </s>, [INST], <<SYS>>.
MARKER = re.compile(r"<{1,2}[^<>\s]{1,60}>{1,2}|\[/?[A-Za-z][A-Z_]+\]")
# Two days that differ in every way in which a date can be written, the day of the week among them; two such times of one.
DAYS = (date(2001, 2, 3), date(2034, 11, 26))
TIMES = (datetime(2001, 2, 3, 4, 5, 6, 7), datetime(2001, 2, 3, 17, 48, 59, 800_000))


@dataclass(frozen=True)
class TemplateProbe:
    """What the template does. Texts are as rendered.

    default_system: the system message that it writes where the conversation has none.
    end_token_ids: the special token that what closes an assistant's turn starts with, if it does.
    supports_system: a system message reaches the prompt; keeps_history: so do earlier answers.
    markers: the strings that mark turns.
    alternates: two user turns in a row are refused, or one of them is left out.
    writes_date: it writes the day on which it is filled in; writes_time: the time of that day.
    in_parts: it takes contents as lists of parts only.
    """

    default_system: str | None
    end_token_ids: tuple[int, ...]
    supports_system: bool
    keeps_history: bool
    markers: tuple[str, ...]
    alternates: bool = False
    writes_date: bool = False
    writes_time: bool = False
    in_parts: bool = False

    def warnings(self, day: date | None = None) -> tuple[str, ...]:
        """What a user should know before training with this template, a sentence each. day: the one that is held."""
        held = (
            "what is rendered on another day differs"
            if day is None
            else f"{day} is held for the whole run (model.day)"
        )
        inserted = (self.default_system or "")[:80]
        known = {
            "The chat template inserts a system message where a conversation has none "
            f"({inserted!r}): training and inference must both have it, or neither.": bool(
                inserted
            ),
            "The chat template takes no system message: the policy goes into the first user turn "
            "instead.": not self.supports_system,
            f"The chat template writes the date: {held}.": self.writes_date,
            "The chat template writes the time of day: it is 00:00 in all that is rendered here.": self.writes_time,
            "The chat template drops earlier assistant turns: prompts of several turns are "
            "refused.": not self.keeps_history,
            "The chat template closes an assistant's turn without a special token: completions end "
            "at the tokenizer's end token only, so check that it is trained.": not self.end_token_ids,
        }
        return tuple(sentence for sentence, applies in known.items() if applies)


def probe_template(
    tokenizer: Any, tags: Reasoning = THINK, day: date | None = None
) -> TemplateProbe:
    """What this tokenizer's chat template does with each kind of conversation. day: see `render`.

    Raises InputError where the template cannot render a lone user turn.
    """
    user, later = {"role": "user", "content": USER}, {"role": "user", "content": LATER}
    answer = {"role": "assistant", "content": ANSWER}
    start, end = tags.tags
    past = answer | {"content": f"{start}\n{THOUGHT}\n{end}\n\n{ANSWER}"}
    in_parts = wants_parts(tokenizer)
    made = partial(tried, tokenizer, day=day, in_parts=in_parts)
    alone = made([user], asks=False)
    if USER not in alone:
        raise InputError(_no_lone_turn(tokenizer, [user]), kind="template")
    system = {"role": "system", "content": SYSTEM}
    with_system = made([system, user], asks=False)
    # Some refuse reasoning that stands in the answer.
    histories = (made([user, turn, later], asks=False) for turn in (past, answer))
    history = next(filter(None, histories), "")
    closed = made([user, answer], asks=False)
    prompt = made([user], asks=True)
    two_in_a_row = made([user, later], asks=True)
    supports_system = SYSTEM in with_system
    told = ([user], [system, user], [user, answer, later], [system, user, answer, later])
    differs = partial(_differs, partial(tried, tokenizer, in_parts=in_parts), told)
    markers = {mark for text in (with_system, history, prompt) for mark in MARKER.findall(text)}
    return TemplateProbe(
        default_system=_default_system(alone, with_system if supports_system else "", history),
        end_token_ids=_end_tokens(tokenizer, closed.partition(ANSWER)[2]),
        supports_system=supports_system,
        keeps_history=ANSWER in history,
        markers=tuple(sorted(markers)),
        alternates=not (USER in two_in_a_row and LATER in two_in_a_row),
        writes_date=differs(DAYS),
        writes_time=differs(TIMES),
        in_parts=in_parts,
    )


def _no_lone_turn(tokenizer: Any, messages: Conversation) -> str:
    """The sentence of a template that a lone user turn is too much for."""
    try:
        render(tokenizer, messages, asks=False)
        why = "it leaves it out"
    except InputError as error:
        why = str(error.value or error)
    return f"the chat template cannot render a lone user turn ({why}); mend the checkpoint's chat_template.jinja"


def _differs(
    made: Callable[..., str], conversations: Iterable[Conversation], days: Iterable[date]
) -> bool:
    """Whether one of some conversations is another text on another of these days."""
    return any(len({made(each, asks=True, day=day) for day in days}) > 1 for each in conversations)


def _default_system(alone: str, with_system: str, history: str) -> str | None:
    """What stands where a system message would, in a conversation that has none."""
    head = alone.partition(USER)[0]
    if with_system:
        before, _, rest = with_system.partition(SYSTEM)
        after = rest.partition(USER)[0]
        room = len(head) - len(before) - len(after)
        if room > 0 and head.startswith(before) and head.endswith(after):
            return head[len(before) :][:room].strip() or None
    # A later user turn has no system message before it: what the first one has beyond that one's lead was inserted.
    lead = history.partition(LATER)[0].rpartition(ANSWER)[2]
    if not lead:
        return None
    first, second = _pieces(head), _pieces(lead)
    while first and second and first[-1] == second[-1]:
        first.pop()
        second.pop()
    if first and second:
        # Roles that are plain text: "\n\nUser: " leads a later turn, "User: " the first.
        ends_alike = second[-1].endswith(first[-1])
        first[-1] = "" if ends_alike else first[-1].removesuffix(second[-1].lstrip())
    inserted = " ".join(piece for piece in first if not MARKER.fullmatch(piece)).strip()
    # A system message's block with nothing in it.
    is_empty = inserted.lower() == "system" or not re.search(r"\w", inserted)
    return None if is_empty else inserted


def _pieces(text: str) -> list[str]:
    """Markers and the texts between them."""
    return [piece for piece in re.split(f"({MARKER.pattern})", text) if piece]


def _end_tokens(tokenizer: Any, closes_with: str) -> tuple[int, ...]:
    """The special token that a turn's end starts with. A plain one may stand inside any text, so it ends nothing."""
    if not closes_with.strip():
        return ()
    ids = tokenizer(closes_with.lstrip(), add_special_tokens=False)["input_ids"]
    return tuple(ids[:1]) if set(ids[:1]) & special_token_ids(tokenizer) else ()
