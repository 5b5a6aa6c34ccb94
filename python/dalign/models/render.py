"""Conversations as a model reads them and answers as it writes them, by its chat template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.probe import TemplateProbe, probe_template, render
from dalign.models.reasoning import THINK

Conversation = Sequence[Mapping[str, Any]]


class Renderer:
    """A tokenizer's chat template, and the tags between which the model reasons.

    Raises InputError where the template refuses a conversation.
    """

    def __init__(self, tokenizer: Any, reasoning: Reasoning = THINK) -> None:
        """tokenizer: one with a chat template."""
        self.tokenizer, self.reasoning = tokenizer, reasoning

    @cached_property
    def probe(self) -> TemplateProbe:
        """What the template does by itself."""
        return probe_template(self.tokenizer, self.reasoning)

    @property
    def opens_reasoning(self) -> bool:
        """Whether every prompt ends with the tag that opens the reasoning, so that no completion has it."""
        return self.reasoning.kind == "tags" and self.probe.opens_reasoning

    @property
    def end_text(self) -> str:
        """What ends an assistant's turn: the template's own token, else the tokenizer's."""
        ends = self.probe.end_token_ids or (self.tokenizer.eos_token_id,)
        return str(self.tokenizer.decode(list(ends)))

    def prompts(self, conversations: Sequence[Conversation]) -> list[str]:
        """Each conversation with what asks for the next answer. Equal ones are rendered once."""
        keys = [json.dumps([dict(turn) for turn in messages]) for messages in conversations]
        distinct = dict(zip(keys, conversations, strict=True))
        texts = {
            key: render(self.tokenizer, messages, asks=True) for key, messages in distinct.items()
        }
        return [texts[key] for key in keys]

    def completion(self, reasoning: str | None, answer: str) -> str:
        """What the model writes after a prompt to reason and answer so; `end_text` follows it."""
        if self.reasoning.kind == "none":
            return answer
        start = "" if self.opens_reasoning else self.reasoning.open
        return f"{start} {reasoning or ''}{self.reasoning.close} {answer}"

    def turn(self, messages: Conversation) -> tuple[str, str]:
        """A conversation that ends on the assistant, as the template writes it: the prompt, and all that follows.

        The second text has what closes the turn. Raises InputError where the template writes the
        prompt otherwise once it is answered.
        """
        prompt = render(self.tokenizer, messages[:-1], asks=True)
        whole = render(self.tokenizer, messages, asks=False)
        if not whole.startswith(prompt):
            said = "the chat template writes the conversation otherwise once it is answered; render it yourself into segments"
            raise InputError(said)
        return prompt, whole[len(prompt) :]
