"""Which clause of a policy governs a prompt, and how does it rule?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dalign.judge.court import Clean, Heard
from dalign.judge.forms.ruling_words import Ruled, RulingWords
from dalign.rows import Message
from dalign.spec.templates import Templates
from dalign.spec.types import GENERAL, Category, Spec


@dataclass(frozen=True)
class Case:
    """A prompt to be ruled on by the policy of one category."""

    id: str
    category: str
    messages: tuple[Message, ...]


def policies_shown(spec: Spec, templates: Templates) -> dict[str, str]:
    """spec(category) of each category, as every judge sees it."""
    return {name: templates.spec(spec, name) for name in (*spec.names, GENERAL)}


def policies_without_examples(spec: Spec, templates: Templates) -> dict[str, str]:
    """The same without the clauses' examples: what rules on an example when its label is not told."""
    return {
        category.name: templates.compose(spec.categories, spec.principles, _bare(category))
        for category in spec.categories
    }


def _bare(category: Category) -> Category:
    clauses = tuple(replace(clause, allowed=(), disallowed=()) for clause in category.clauses)
    return replace(category, clauses=clauses)


class RulingForm:
    """Asks for clause and ruling. policies: the text by which each category's cases are ruled."""

    name = "ruling"
    # A policy's own templates may show the nonce as they like, in either message.
    whole_nonce = False

    def __init__(
        self, policies: Mapping[str, str], templates: Templates, words: RulingWords
    ) -> None:
        self._policies, self._templates, self._words = policies, templates, words

    def id_of(self, question: Case) -> str:
        """The prompt's id."""
        return question.id

    def messages(self, question: Case, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The judge's conversation."""
        asked = [{"role": m["role"], "content": clean(m["content"])} for m in question.messages]
        values = {"spec": self._policies[question.category], "messages": asked, "nonce": nonce}
        return tuple(self._templates.pair(self.name, values))

    def read(self, question: Case, heard: Heard) -> Ruled | None:
        """Ruling and clause; None for no ruling, or no clause that is there."""
        return self._words.read(heard, question.category)
