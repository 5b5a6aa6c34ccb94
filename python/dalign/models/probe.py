"""What a chat template does, found by rendering it: nothing is assumed of its name or its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dalign.config import Reasoning
from dalign.errors import InputError

# Words that no template holds and that each is one run of letters, so that trimming leaves them whole.
SYSTEM, USER, LATER, THOUGHT, ANSWER = (
    "Sysquerl",
    "Usrquerl",
    "Latquerl",
    "Thoquerl",
    "Ansquerl",
)
# What a template writes to mark turns: <|im_start|>, </s>, [INST], <<SYS>>.
MARKER = re.compile(r"<{1,2}[^<>\s]{1,60}>{1,2}|\[/?[A-Z][A-Z_]+\]")


@dataclass(frozen=True)
class TemplateProbe:
    """What the template does. Texts are as rendered."""

    # The system message that it writes where the conversation has none.
    default_system: str | None
    # The generation prompt already ends with the tag that opens the reasoning.
    opens_reasoning: bool
    # What follows an assistant's content, and the special token that it starts with, if it does.
    closes_with: str
    end_token_ids: tuple[int, ...]
    # A system message reaches the prompt.
    supports_system: bool
    # The answer of an earlier assistant turn reaches the prompt; so does its reasoning.
    keeps_history: bool
    keeps_reasoning: bool
    # The strings that mark turns.
    markers: tuple[str, ...]

    def warnings(self) -> tuple[str, ...]:
        """What a user should know before training with this template, a sentence each."""
        found = []
        if self.default_system is not None:
            found.append(
                "The chat template inserts a system message where a conversation has none "
                f"({self.default_system[:80]!r}): training and inference must both have it, or neither."
            )
        if not self.supports_system:
            found.append(
                "The chat template takes no system message: the policy goes into the first user turn instead."
            )
        if not self.keeps_history:
            found.append(
                "The chat template drops earlier assistant turns: prompts of several turns lose them."
            )
        if not self.end_token_ids:
            found.append(
                "The chat template closes an assistant's turn without a special token: "
                "completions end at the tokenizer's end token only, so check that it is trained."
            )
        return tuple(found)


def probe_template(tokenizer: Any, reasoning: Reasoning | None = None) -> TemplateProbe:
    """What this tokenizer's chat template does with each kind of conversation.

    reasoning: the tags, <think> and </think> unless given.
    Raises InputError where the template cannot render a lone user turn.
    """
    tags = reasoning or Reasoning()
    user, later = {"role": "user", "content": USER}, {"role": "user", "content": LATER}
    alone = _render(tokenizer, [user])
    if alone is None or USER not in alone:
        raise InputError(
            "the chat template cannot render a lone user turn; mend the checkpoint's chat_template.jinja"
        )
    with_system = _render(tokenizer, [{"role": "system", "content": SYSTEM}, user]) or ""
    past = {
        "role": "assistant",
        "content": f"{tags.open}\n{THOUGHT}\n{tags.close}\n\n{ANSWER}",
    }
    history = _render(tokenizer, [user, past, later]) or ""
    closed = _render(tokenizer, [user, {"role": "assistant", "content": ANSWER}]) or ""
    closes_with = closed.rpartition(ANSWER)[2] if ANSWER in closed else ""
    prompt = _render(tokenizer, [user], generation=True) or ""
    supports_system = SYSTEM in with_system
    return TemplateProbe(
        default_system=_default_system(alone, with_system if supports_system else "", history),
        opens_reasoning=prompt.rpartition(USER)[2].rstrip().endswith(tags.open),
        closes_with=closes_with,
        end_token_ids=_end_tokens(tokenizer, closes_with),
        supports_system=supports_system,
        keeps_history=ANSWER in history,
        keeps_reasoning=THOUGHT in history,
        markers=tuple(
            sorted({m for text in (with_system, history, prompt) for m in MARKER.findall(text)})
        ),
    )


def special_token_ids(tokenizer: Any) -> frozenset[int]:
    """The ids of every special token, named or not."""
    added = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def _render(
    tokenizer: Any, messages: list[dict[str, str]], *, generation: bool = False
) -> str | None:
    """The conversation as the template writes it; None where the template refuses it."""
    from jinja2 import TemplateError

    try:
        return str(
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=generation
            )
        )
    except TemplateError:
        return None


def _default_system(alone: str, with_system: str, history: str) -> str | None:
    """What stands where a system message would, in a conversation that has none."""
    head = alone.partition(USER)[0]
    if with_system:
        before, _, rest = with_system.partition(SYSTEM)
        after = rest.partition(USER)[0]
        if (
            head.startswith(before)
            and head.endswith(after)
            and len(head) > len(before) + len(after)
        ):
            return head[len(before) : len(head) - len(after)].strip() or None
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
    ids = (
        tokenizer(closes_with.lstrip(), add_special_tokens=False)["input_ids"]
        if closes_with.strip()
        else []
    )
    return (ids[0],) if ids and ids[0] in special_token_ids(tokenizer) else ()
