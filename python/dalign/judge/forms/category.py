"""From which category's policy were these sentences of a reasoning taken? (paper 4.2)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dalign.judge.court import Clean, Heard
from dalign.rows import Message
from dalign.spec.templates import Templates

# Words that mark an excerpt of the reasoning as speaking of the policy.
EXCERPT_WORDS = ("policy", "policies", "guideline", "allowed")
# What the classifier says of excerpts that are of no policy.
NONE = "none"


@dataclass(frozen=True)
class Excerpts:
    """The sentences of a completion's reasoning that speak of the policy; at least one."""

    id: str
    sentences: Sequence[str]


def sentences_on_policy(reasoning: str) -> list[str]:
    """The sentences of the reasoning that speak of the policy."""
    sentences = [
        part.strip()
        for line in reasoning.splitlines()
        for part in line.replace("? ", ". ").split(". ")
    ]
    return [s for s in sentences if any(word in s.lower() for word in EXCERPT_WORDS)]


class CategoryForm:
    """Asks for a category by name."""

    name = "retrieval"
    # It is asked once.
    whole_nonce = False

    def __init__(self, names: Sequence[str], templates: Templates) -> None:
        """names: of the categories that have a policy."""
        self.names, self._templates = names, templates

    def id_of(self, question: Excerpts) -> str:
        """The completion's id."""
        return question.id

    def messages(self, question: Excerpts, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The classifier's conversation."""
        excerpts = [clean(text) for text in question.sentences]
        return tuple(self._templates.retrieval(self.names, excerpts, nonce))

    def read(self, question: Excerpts, heard: Heard) -> str | None:
        """The category that a reply names last, or `none`; None where it says neither."""
        text = heard.said.lower()
        found = {name: text.rfind(name.lower()) for name in (*self.names, NONE)}
        best = max(found, key=lambda name: found[name])
        return best if found[best] >= 0 else None
