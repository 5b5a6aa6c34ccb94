"""Conversations as a model reads them and answers as it writes them, by its chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Any, cast

from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.chat_template import Conversation, render
from dalign.models.control import Breaker, control_tokens, without_end
from dalign.models.forms import Form, find_form
from dalign.models.probe import TemplateProbe, probe_template
from dalign.models.reasoning import THINK, tags_of
from dalign.models.whole import SAID, Shapes
from dalign.rows import Message
from dalign.text import short

NO_END = "the checkpoint names no end token, so no completion could end; set eos_token in its tokenizer_config.json or eos_token_id in its generation_config.json"
# What is written by others than the author of the policy and the model itself.
_OURS = ("system", "developer", "assistant")
_ROLE = re.compile(r"[\w-]{1,40}")


class Renderer:
    """A tokenizer's chat template, and the form in which the model reasons.

    What it makes of a conversation holds all that every turn says; else it raises InputError, whose `row` is
    the conversation's place among those that it was given. Control tokens in words are broken up.
    """

    def __init__(
        self, tokenizer: Any, reasoning: Reasoning = THINK, day: date | None = None
    ) -> None:
        """tokenizer: one with a chat template. day: what a template writes that writes the date; None: today."""
        self.tokenizer, self._wanted, self.day = tokenizer, reasoning, day

    @cached_property
    def form(self) -> Form:
        """How completions hold their reasoning."""
        return find_form(self.tokenizer, self._wanted)

    @property
    def reasoning(self) -> Reasoning:
        """The same as a config says it: of kind 'tags' or 'none'."""
        return self.form.reasoning

    @cached_property
    def probe(self) -> TemplateProbe:
        """What the template does by itself."""
        return probe_template(self.tokenizer, self.reasoning, self.day)

    @property
    def opens_reasoning(self) -> bool:
        """Whether every prompt ends with the tag that opens the reasoning, so that no completion has it."""
        return bool(self.form.opened)

    @cached_property
    def control(self) -> tuple[str, ...]:
        """The tokenizer's control tokens but for the tags, sorted: what no part of a completion may hold."""
        return tuple(sorted(control_tokens(self.tokenizer).difference(tags_of(self.reasoning))))

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """Strings that the template or the tokenizer gives a meaning to, tags that are no words among them; sorted."""
        tags = (tag for tag in tags_of(self.reasoning) if not tag[0].isalnum())
        return tuple(sorted({*control_tokens(self.tokenizer), *self.probe.markers, *tags}))

    @property
    def end_text(self) -> str:
        """What ends an assistant's turn: the template's own token, else the tokenizer's.

        Raises InputError where neither names one.
        """
        ends = self.probe.end_token_ids or (self.tokenizer.eos_token_id,)
        text = "" if None in ends else str(self.tokenizer.decode(list(ends)))
        if not text:
            raise InputError(NO_END, kind="unfit_model")
        return text

    def prompts(self, conversations: Sequence[Conversation]) -> list[str]:
        """Each conversation with what asks for the next answer. Equal ones are rendered once.

        Where the template takes no system message, it stands at the head of the first user turn.
        """
        keys = [json.dumps([dict(turn) for turn in messages]) for messages in conversations]
        texts: dict[str, str] = {}
        for row, (key, messages) in enumerate(zip(keys, conversations, strict=True)):
            if key not in texts:
                try:
                    texts[key] = self._whole(self.placed(messages), asks=True)
                except InputError as error:
                    error.row = row
                    raise
        return [texts[key] for key in keys]

    def completion(self, reasoning: str | None, answer: str) -> str:
        """What the model writes after a prompt to reason and answer so; `end_text` follows it."""
        return self.form.canonical(reasoning, answer)

    def written(self, text: str, *, apart: bool = False) -> str:
        """A completion as it was generated, as it follows this template's prompt; see `Form.written`."""
        return self.form.written(text, apart=apart)

    def turn(self, messages: Conversation) -> tuple[str, str]:
        """A conversation that ends on the assistant, as the template writes it: the prompt, and all that follows.

        The second text has what closes the turn, once, also where it leaked into the answer. A system message stays where
        it is. Raises InputError also where the template writes the prompt otherwise once it is answered, and where the
        answer holds a token that marks turns.
        """
        last = dict(messages[-1])
        if isinstance(last.get("content"), str):
            last["content"] = without_end(last["content"], self._ends)
        turns = self.harmless([*messages[:-1], last])
        if turns[-1] != last:
            said = "the answer holds a token that marks the turns of the chat template; take it out of the row, or render it yourself into segments"
            raise InputError(said, kind="template")
        prompt = self._whole(turns[:-1], asks=True)
        whole = self._whole(turns, asks=False)
        if not whole.startswith(prompt):
            said = "the chat template writes the conversation otherwise once it is answered; render it yourself into segments"
            raise InputError(said, kind="template")
        closes, made = self.reasoning.tags[1], whole[len(prompt) :]
        if 0 < str(turns[-1]["content"]).count(closes) < made.count(closes):
            said = "the chat template writes reasoning of its own before the answer's; give it as reasoning_content, apart from content"
            raise InputError(said, kind="template")
        return prompt, made

    def harmless(self, messages: Conversation) -> list[dict[str, Any]]:
        """The conversation with control tokens broken up: in a user's words all, in the others' those that mark turns.

        Raises InputError for a role that is no word: templates build control tokens of it.
        """
        made = []
        for turn in messages:
            role = turn.get("role")
            if not isinstance(role, str) or not _ROLE.fullmatch(role):
                said = f"role {short(repr(role))} is no word; write user, assistant, system or tool"
                raise InputError(said, kind="bad_field", key="role", value=role)
            broken = self._breakers[role not in _OURS]
            words = {key: broken(turn[key]) for key in SAID if isinstance(turn.get(key), str)}
            made.append({**turn, **words})
        return made

    @cached_property
    def _ends(self) -> tuple[str, ...]:
        """The tokens that end an assistant's turn by the template or the tokenizer."""
        ends = self.tokenizer.convert_ids_to_tokens(list(self.probe.end_token_ids))
        return tuple(filter(None, [*ends, getattr(self.tokenizer, "eos_token", None)]))

    @cached_property
    def _breakers(self) -> tuple[Breaker, Breaker]:
        """What breaks up the marks of turns, and what breaks up every control token."""
        named = (getattr(self.tokenizer, f"{name}_token", None) for name in ("bos", "pad"))
        turns = {*self.probe.markers, *filter(None, named), *self._ends}
        # Of a model that does not reason too: earlier reasoning is the template's to cut.
        turns.difference_update(self.reasoning.tags)
        return Breaker(self.tokenizer, turns), Breaker(self.tokenizer, self.marks)

    def placed(self, messages: Conversation) -> tuple[Message, ...]:
        """The conversation as the template takes it; equal to it, but where it has control tokens or a system message moves.

        It moves when tokens are broken up: in the policy's words fewer are.
        """
        turns = self._shapes.placed(self.harmless(messages))
        return tuple(cast("Message", turn) for turn in turns)

    def _whole(self, messages: Conversation, *, asks: bool) -> str:
        """The conversation as it stands. Raises InputError where a part of it is left out."""
        text = self._rendered(messages, asks=asks)
        self._shapes.check(messages, text, self.reasoning.tags)
        return text

    @cached_property
    def _shapes(self) -> Shapes:
        return Shapes(
            lambda turns, asks: self._rendered(turns, asks=asks), self.probe.supports_system
        )

    def _rendered(self, messages: Conversation, *, asks: bool) -> str:
        in_parts = self.probe.in_parts
        return render(self.tokenizer, messages, asks=asks, day=self.day, in_parts=in_parts)
