"""From which category's policy were these sentences of a reasoning taken? (paper 4.2)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dalign.judge.court import Asked, Clean, Court, Heard
from dalign.models.protocol import Sampling
from dalign.rows import Message
from dalign.spec.templates import Templates

# What the classifier says of excerpts that are of no policy.
NONE = "none"


@dataclass(frozen=True)
class Excerpts:
    """The sentences of a completion's reasoning that speak of the policy; at least one."""

    id: str
    sentences: Sequence[str]


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


def classified(
    form: CategoryForm,
    found: Mapping[str, Sequence[str]],
    *,
    court: Court,
    ask: Asked,
    sampling: Sampling,
) -> dict[str, str | None]:
    """What the classifier says of each completion's sentences; None where it failed, was cut or cannot be read."""
    questions = [Excerpts(row, sentences) for row, sentences in found.items()]
    said = court.ask(form, questions, 1, ask, sampling)
    return {
        question.id: values[0] if values else None
        for question, values in zip(questions, said.values, strict=True)
    }
