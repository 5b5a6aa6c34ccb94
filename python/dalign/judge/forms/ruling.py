"""Which clause of a policy governs a prompt, and how does it rule?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from dalign import _core
from dalign.judge.court import Clean
from dalign.judge.forms.ruling_words import Ruled, read_words
from dalign.rows import Message
from dalign.spec.templates import Templates
from dalign.spec.types import Spec


class Case(NamedTuple):
    """A prompt to be ruled on by the policy of one category."""

    category: str
    messages: tuple[Message, ...]


def policies_without_examples(spec: Spec, templates: Templates) -> dict[str, str]:
    """spec(category) of each category without the clauses' examples: what rules on an example when its label is not told."""
    shown = {}
    for category in spec.categories:
        bare = tuple(replace(each, allowed=(), disallowed=()) for each in category.clauses)
        detail = replace(category, clauses=bare)
        shown[category.name] = templates.compose(spec.categories, spec.principles, detail)
    return shown


class RulingForm:
    """Asks for clause and ruling. policies: the text by which each category's cases are ruled."""

    name = "ruling"
    # A policy's own templates may show the nonce as they like, in either message.
    whole_nonce = False

    def __init__(self, spec: Spec, templates: Templates, policies: Mapping[str, str]) -> None:
        """Raises InputError for a `ruling.toml` that says wrongly how replies are read."""
        self._policies, self._templates = policies, templates
        self._words = read_words(spec, templates)
        self.asks_seal = templates.asks_for_seal(self.name)
        self._digests = {name: _core.digest(text.encode()) for name, text in policies.items()}

    def parts(self, question: Case) -> list[str]:
        """The policy's digest and every message."""
        texts = [text for m in question.messages for text in (m["role"], m["content"])]
        return [self._digests[question.category], *texts]

    def messages(self, question: Case, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The judge's conversation."""
        asked = [{"role": m["role"], "content": clean(m["content"])} for m in question.messages]
        values = {"spec": self._policies[question.category], "messages": asked, "nonce": nonce}
        return tuple(self._templates.pair(self.name, values))

    def read(self, question: Case, reply: str, said: str, seal: str = "") -> Ruled | None:
        """Ruling and clause; None for no ruling, no clause that is there, or what may be quoted."""
        judged = "\n".join(message["content"] for message in question.messages)
        return self._words.read(reply, said, question.category, seal, judged)
