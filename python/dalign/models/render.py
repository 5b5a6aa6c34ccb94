"""Conversations as a model reads them and answers as it writes them, by its chat template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.control import Breaker, control_tokens, without_end
from dalign.models.forms import Form, find_form
from dalign.models.probe import TemplateProbe, probe_template, render
from dalign.models.reasoning import THINK

Conversation = Sequence[Mapping[str, Any]]


class Renderer:
    """A tokenizer's chat template, and the tags between which the model reasons.

    Raises InputError where the template refuses a conversation.
    """

    def __init__(self, tokenizer: Any, reasoning: Reasoning = THINK) -> None:
        """tokenizer: one with a chat template."""
        self.tokenizer, self._wanted = tokenizer, reasoning

    @cached_property
    def form(self) -> Form:
        """How completions hold their reasoning."""
        return find_form(self.tokenizer, self._wanted)

    @property
    def reasoning(self) -> Reasoning:
        """The same as a config says it: of kind 'tags' or 'none'."""
        return self.form.reasoning

    @cached_property
    def control(self) -> tuple[str, ...]:
        """The tokenizer's control tokens but for the tags: what no part of a completion may hold."""
        tags = self.reasoning.tags if self.reasoning.reasons else ()
        return tuple(token for token in control_tokens(self.tokenizer) if token not in tags)

    @cached_property
    def probe(self) -> TemplateProbe:
        """What the template does by itself."""
        return probe_template(self.tokenizer, self.reasoning)

    @property
    def opens_reasoning(self) -> bool:
        """Whether every prompt ends with the tag that opens the reasoning, so that no completion has it."""
        return bool(self.form.opened)

    @property
    def end_text(self) -> str:
        """What ends an assistant's turn: the template's own token, else the tokenizer's."""
        ends = self.probe.end_token_ids or (self.tokenizer.eos_token_id,)
        text = "" if ends == (None,) else str(self.tokenizer.decode(list(ends)))
        if not text:
            said = "neither the chat template nor the tokenizer names an end token, so the model would learn no end; set eos_token in its tokenizer_config.json"
            raise InputError(said, kind="unfit_model")
        return text

    def prompts(self, conversations: Sequence[Conversation]) -> list[str]:
        """Each conversation with what asks for the next answer. Equal ones are rendered once."""
        keys = [json.dumps([dict(turn) for turn in messages]) for messages in conversations]
        distinct = dict(zip(keys, conversations, strict=True))
        texts = {
            key: render(self.tokenizer, self.harmless(messages), asks=True)
            for key, messages in distinct.items()
        }
        return [texts[key] for key in keys]

    def harmless(self, messages: Conversation) -> list[dict[str, Any]]:
        """The conversation, the control tokens in all turns but the system's broken up."""
        return [
            dict(turn) if turn.get("role") in ("system", "developer") else self._harmless(turn)
            for turn in messages
        ]

    def _harmless(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        content = turn.get("content")
        # An assistant's own tags are for the template to keep or to cut.
        clean = self._of_assistant if turn.get("role") == "assistant" else self._of_others
        return {**turn, "content": clean(content)} if isinstance(content, str) else dict(turn)

    @cached_property
    def _of_others(self) -> Breaker:
        return Breaker(control_tokens(self.tokenizer))

    @cached_property
    def _of_assistant(self) -> Breaker:
        return Breaker(self.control)

    def completion(self, reasoning: str | None, answer: str) -> str:
        """What the model writes after a prompt to reason and answer so; `end_text` follows it."""
        return self.form.canonical(reasoning, answer) if self.reasoning.reasons else answer

    def written(self, text: str, *, apart: bool = False) -> str:
        """A completion as it was generated, as it follows this template's prompt; see `Form.written`."""
        return self.form.written(text, apart=apart) if self.reasoning.reasons else text

    def turn(self, messages: Conversation) -> tuple[str, str]:
        """A conversation that ends on the assistant, as the template writes it: the prompt, and all that follows.

        The second text has what closes the turn. Raises InputError where the template writes the
        prompt otherwise once it is answered.
        """
        last = dict(messages[-1])
        if isinstance(last.get("content"), str):
            # The template writes the end itself.
            last["content"] = without_end(last["content"])
        messages = self.harmless([*messages[:-1], last])
        prompt = render(self.tokenizer, messages[:-1], asks=True)
        whole = render(self.tokenizer, messages, asks=False)
        if not whole.startswith(prompt):
            said = "the chat template writes the conversation otherwise once it is answered; render it yourself into segments"
            raise InputError(said, kind="template")
        return prompt, whole[len(prompt) :]
