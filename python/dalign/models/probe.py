"""What a chat template does, found by rendering it: nothing is assumed of its name or its text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.control import special_token_ids
from dalign.models.reasoning import THINK
from dalign.trial import MOST_CHARACTERS

# Words that no template holds and that each is one run of letters, so that trimming leaves them whole.
SYSTEM, USER, LATER, THOUGHT, ANSWER = "Sysquerl", "Usrquerl", "Latquerl", "Thoquerl", "Ansquerl"
# What a template writes to mark turns: <|im_start|>, </s>, [INST], <<SYS>>.
MARKER = re.compile(r"<{1,2}[^<>\s]{1,60}>{1,2}|\[/?[A-Z][A-Z_]+\]")


@dataclass(frozen=True)
class TemplateProbe:
    """What the template does. Texts are as rendered.

    default_system: the system message that it writes where the conversation has none.
    opens_reasoning: the generation prompt already ends with the tag that opens the reasoning.
    end_token_ids: the special token that what closes an assistant's turn starts with, if it does.
    supports_system: a system message reaches the prompt; keeps_history: so do earlier answers.
    markers: the strings that mark turns.
    """

    default_system: str | None
    opens_reasoning: bool
    end_token_ids: tuple[int, ...]
    supports_system: bool
    keeps_history: bool
    markers: tuple[str, ...]

    def warnings(self) -> tuple[str, ...]:
        """What a user should know before training with this template, a sentence each."""
        inserted = (self.default_system or "")[:80]
        known = {
            "The chat template inserts a system message where a conversation has none "
            f"({inserted!r}): training and inference must both have it, or neither.": bool(
                inserted
            ),
            "The chat template takes no system message: the policy goes into the first user turn "
            "instead.": not self.supports_system,
            "The chat template drops earlier assistant turns: prompts of several turns lose "
            "them.": not self.keeps_history,
            "The chat template closes an assistant's turn without a special token: completions end "
            "at the tokenizer's end token only, so check that it is trained.": not self.end_token_ids,
        }
        return tuple(sentence for sentence, applies in known.items() if applies)


def probe_template(tokenizer: Any, tags: Reasoning = THINK) -> TemplateProbe:
    """What this tokenizer's chat template does with each kind of conversation.

    Raises InputError where the template cannot render a lone user turn.
    """
    user, later = {"role": "user", "content": USER}, {"role": "user", "content": LATER}
    answer = {"role": "assistant", "content": ANSWER}
    start, end = tags.tags
    past = answer | {"content": f"{start}\n{THOUGHT}\n{end}\n\n{ANSWER}"}
    alone = _tried(tokenizer, [user])
    if USER not in alone:
        said = "the chat template cannot render a lone user turn; mend the checkpoint's chat_template.jinja"
        raise InputError(said, kind="template")
    with_system = _tried(tokenizer, [{"role": "system", "content": SYSTEM}, user])
    history = _tried(tokenizer, [user, past, later])
    closed = _tried(tokenizer, [user, answer])
    prompt = _tried(tokenizer, [user], asks=True)
    supports_system = SYSTEM in with_system
    markers = {mark for text in (with_system, history, prompt) for mark in MARKER.findall(text)}
    return TemplateProbe(
        default_system=_default_system(alone, with_system if supports_system else "", history),
        opens_reasoning=prompt.rpartition(USER)[2].rstrip().endswith(start),
        end_token_ids=_end_tokens(tokenizer, closed.partition(ANSWER)[2]),
        supports_system=supports_system,
        keeps_history=ANSWER in history,
        markers=tuple(sorted(markers)),
    )


def render(tokenizer: Any, messages: Sequence[Mapping[str, Any]], *, asks: bool) -> str:
    """The conversation as the template writes it. asks: with what asks for the next answer.

    Raises InputError where the template refuses it.
    """
    turns = [dict(turn) for turn in messages]
    start = json.dumps(turns, ensure_ascii=False)[:60]
    way_out = "change its turns, or the checkpoint's chat_template.jinja"
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asks)
    except Exception as error:
        # A template can fail in any way: it is a program of others.
        said = f"the chat template refuses the conversation {start}… ({error or type(error).__name__}); {way_out}"
        raise InputError(said, kind="template") from error
    if len(text) > MOST_CHARACTERS:
        said = f"the chat template makes {len(text):,} characters of the conversation {start}…, more than {MOST_CHARACTERS:,}; {way_out}"
        raise InputError(said, kind="template")
    return str(text)


def _tried(tokenizer: Any, messages: list[dict[str, str]], *, asks: bool = False) -> str:
    """The conversation as the template writes it; nothing where the template refuses it."""
    try:
        return render(tokenizer, messages, asks=asks)
    except InputError:
        return ""


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
    return inserted if re.search(r"\w", inserted) else None


def _pieces(text: str) -> list[str]:
    """Markers and the texts between them."""
    return [piece for piece in re.split(f"({MARKER.pattern})", text) if piece]


def _end_tokens(tokenizer: Any, closes_with: str) -> tuple[int, ...]:
    """The special token that a turn's end starts with. A plain one may stand inside any text, so it ends nothing."""
    if not closes_with.strip():
        return ()
    ids = tokenizer(closes_with.lstrip(), add_special_tokens=False)["input_ids"]
    return tuple(ids[:1]) if set(ids[:1]) & special_token_ids(tokenizer) else ()
