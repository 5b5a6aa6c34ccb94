"""How a model marks its reasoning, found by rendering its chat template: nothing is assumed of the model's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from dalign.config import Reasoning
from dalign.models.chat_template import tried, wants_parts
from dalign.models.probe import ANSWER, MARKER, THOUGHT, USER
from dalign.vocabulary import FORMS

# The marker at the end of what stands before a thought.
_LAST = re.compile(r"(<[^<>\s]+>|\[[^\[\]\s]+\]|◁[^◁▷\s]+▷)$")
# Pairs by whose shape and words a template's text names its reasoning.
_ABOUT = r"(?!no_)(?:[\w.:-]*[_.:-])?(?:think|thinking|thoughts?|reasoning)"
_TAGS = re.compile(rf"<({_ABOUT})>", re.IGNORECASE)
_BEGUN = re.compile(rf"<\|(begin|start)(_of)?_({_ABOUT})\|>", re.IGNORECASE)
_SOLUTION = "<|begin_of_solution|>"
# Where templates take a thought from.
_FIELDS = ("reasoning_content", "reasoning", "thinking", "thought")
# What no tag has: then the template writes a message as data.
_DATA = re.compile(r"[\"'{}]")


@dataclass(frozen=True)
class Form:
    """How completions hold their reasoning.

    reasoning: of kind 'tags' or 'none'. before, lead, trail, gap: white space before the opening tag, between it and the
    thought, between the thought and the closing tag, and before the answer, as the template writes it. opened: what
    the prompt ends with of it, `<think>` and white space, or nothing. is_shown: the template itself writes thoughts so.
    found: how it is known, as a sentence goes on. in_doubt: whether that is for the user to look at.
    """

    reasoning: Reasoning
    before: str = ""
    lead: str = " "
    trail: str = ""
    gap: str = " "
    opened: str = ""
    is_shown: bool = False
    found: str = "as the config says"
    in_doubt: bool = False

    @property
    def told(self) -> str:
        """The form in words."""
        start, end = self.reasoning.tags
        if not self.reasoning.reasons:
            return f"nowhere: {self.found}"
        opened = ", opened by the prompt" if self.opened else ""
        return f"between {start} and {end}{opened}: {self.found}"

    def canonical(self, reasoning: str | None, answer: str) -> str:
        """What the model writes to reason and answer so, by the template's own white space."""
        if not self.reasoning.reasons:
            return answer
        start, end = self.reasoning.tags
        head = f"{self.before}{start}{self.lead}" if not self.opened else self._rest_of_lead
        return f"{head}{reasoning or ''}{self.trail}{end}{self.gap}{answer}"

    def written(self, text: str, *, apart: bool) -> str:
        """A completion's text as it follows the prompt: the opening tag stands once.

        apart: reasoning and answer may have come apart, without the white space that the model wrote around them.
        """
        if not self.reasoning.reasons:
            return text
        start, end = self.reasoning.tags
        head, has_tag, rest = text.partition(start)
        if not has_tag or head.strip():
            head, has_tag, rest = "", "", text
        thought, closed, answer = rest.partition(end)
        if not closed:
            return text
        is_stripped = thought == thought.strip() and answer == answer.lstrip()
        if apart and has_tag and is_stripped and self.is_shown:
            return self.canonical(thought, answer)
        if self.opened:
            return rest.removeprefix(self._space_of_opened) if has_tag else text
        return text if has_tag else f"{self.before}{start}{self.lead}{text}"

    @property
    def _space_of_opened(self) -> str:
        return self.opened[len(self.opened.rstrip()) :]

    @property
    def _rest_of_lead(self) -> str:
        """The white space of the lead that the prompt does not have yet."""
        known = self._space_of_opened
        return self.lead.removeprefix(known) if self.lead.startswith(known) else ""


def find_form(tokenizer: Any, wanted: Reasoning) -> Form:
    """The form of a tokenizer's chat template; `wanted` where a config names one, with the template's white space.

    wanted.kind 'auto': as the template writes a thought, opens one or speaks of one; as the tokenizer has tags; else
    `wanted.tags`.
    """
    if not wanted.reasons:
        return Form(wanted)
    asks = _after_user(tokenizer, asks=True)
    shown = list(_shown(tokenizer, asks))
    if wanted.kind != "auto":
        return _spaced(wanted, wanted.tags, shown, asks, Form.found)
    for tags, found in _evidence(tokenizer, shown, asks, wanted):
        if asks.rstrip().endswith(tags[1].strip()):
            why = f"the chat template closes the reasoning ({tags[1]}) before the model writes, so that no completion has any; to have it reason, switch its thinking on in chat_template.jinja"
            update = {"kind": "none", "open": tags[0], "close": tags[1]}
            return Form(wanted.model_copy(update=update), found=why, in_doubt=True)
        return _spaced(wanted, tags, shown, asks, found)
    why = "nothing shows how it reasons; if the whole reply is the answer, set model.reasoning.kind = 'none'"
    return replace(_spaced(wanted, wanted.tags, shown, asks, why), in_doubt=True)


_Shown = tuple[str, str, str, str, str, str]


def _evidence(
    tokenizer: Any, shown: list[_Shown], asks: str, wanted: Reasoning
) -> Iterator[tuple[tuple[str, str], str]]:
    """Tags and what shows them, the best evidence first."""
    for _, start, _, _, end, _ in shown:
        yield (start, end), "as the chat template writes thoughts"
    source = str(getattr(tokenizer, "chat_template", None) or "")
    # The config's own tags before those of others.
    known = [wanted.tags, *_begun(source), *FORMS.values(), *_tagged(source)]
    for tags in known:
        if asks.rstrip().endswith((tags[0], tags[1])):
            yield tags, "as the chat template's prompt shows"
    for tags in known:
        if tags[0] in source or tags[1] in source:
            yield tags, "as the chat template names it"
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    for tags in known:
        if tags[0] in added and tags[1] in added:
            yield tags, "as the tokenizer's tokens show"


def _begun(source: str) -> Iterator[tuple[str, str]]:
    """The pairs <|begin_of_NAME|>, <|end_of_NAME|> of a template's text; where it names solutions, one follows."""
    for start in _BEGUN.finditer(source):
        end = f"<|end{start[2] or ''}_{start[3]}|>"
        if end in source:
            yield start[0], f"{end}\n\n{_SOLUTION}" if _SOLUTION in source else end


def _tagged(source: str) -> Iterator[tuple[str, str]]:
    """The pairs <NAME>, </NAME> of a template's text."""
    for start in _TAGS.finditer(source):
        if (end := f"</{start[1]}>") in source:
            yield start[0], end


def _spaced(
    wanted: Reasoning, tags: tuple[str, str], shown: list[_Shown], asks: str, found: str
) -> Form:
    """The form of these tags, with the template's white space where it shows any."""
    update = {"kind": "tags", "open": tags[0], "close": tags[1]}
    reasoning = wanted.model_copy(update=update)
    start = asks.rfind(tags[0])
    rest = asks[start + len(tags[0]) :]
    # Some begin the thought too; behind words on tags, the turn ends.
    opens = start >= 0 and tags[1] not in rest and not MARKER.search(rest)
    opened = {"yes": True, "no": False}.get(wanted.prefilled, opens)
    tail = (asks[start:] if opens else tags[0]) if opened else ""
    for before, begin, lead, trail, end, gap in shown:
        if (begin, end) == tags:
            return Form(reasoning, before, lead, trail, gap, tail, is_shown=True, found=found)
    if tail[len(tail.rstrip()) :]:
        return Form(reasoning, "", "\n", "\n", "\n\n", tail, found=found)
    return Form(reasoning, opened=tail, found=found)


def _shown(tokenizer: Any, asks: str) -> Iterator[_Shown]:
    """Of each way to give a thought that reaches the text: white space, tag, white space; white space, tag, white space."""
    parts = [
        [{"type": "thinking", "thinking": thought}, {"type": "text", "text": ANSWER}]
        for thought in (THOUGHT, [{"type": "text", "text": THOUGHT}])
    ]
    turns: list[dict[str, Any]] = [{"content": ANSWER, field: THOUGHT} for field in _FIELDS]
    for turn in (*turns, *({"content": part} for part in parts)):
        text = _after_user(tokenizer, {"role": "assistant"} | turn, asks=False)
        before, thought, rest = text.partition(THOUGHT)
        between, answer, _ = rest.partition(ANSWER)
        if thought and answer and (found := _around(before, between, asks)):
            yield found


def _around(before: str, between: str, asks: str) -> _Shown | None:
    """The tags around a thought, and the white space around these; None where there are none."""
    written = before[len(asks) :] if before.startswith(asks) else ""
    space, start = "", written.strip()
    if start:
        space = written[: len(written) - len(written.lstrip())]
    elif marker := _LAST.search(before.rstrip()):
        # The prompt opens the reasoning, or closes it at once: then it goes on otherwise.
        start = marker[1]
    end = between.strip()
    lead = before[len(before.rstrip()) :]
    trail = between[: len(between) - len(between.lstrip())]
    gap = between[len(between.rstrip()) :]
    is_pair = start and end and start not in end and end not in start
    if not is_pair or _DATA.search(start + end):
        return None
    return space, start, lead, trail, end, gap


def _after_user(tokenizer: Any, turn: dict[str, Any] | None = None, *, asks: bool) -> str:
    """What the template writes after a user's words; nothing where it refuses the conversation."""
    messages = [{"role": "user", "content": USER}, *([] if turn is None else [turn])]
    text = tried(tokenizer, messages, asks=asks, in_parts=wants_parts(tokenizer))
    return text.rpartition(USER)[2]
