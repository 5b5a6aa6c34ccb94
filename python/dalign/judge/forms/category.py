"""From which category's policy were these sentences of a reasoning taken? (paper 4.2)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dalign.judge.court import Clean, Court
from dalign.models.protocol import Asked, Sampling
from dalign.rows import Message
from dalign.spec.templates import Templates

# What the classifier says of excerpts that are of no policy.
NONE = "none"


class CategoryForm:
    """Asks for a category by name."""

    name = "retrieval"
    # It is asked once.
    whole_nonce = False

    def __init__(self, names: Sequence[str], templates: Templates) -> None:
        """names: of the categories that have a policy."""
        self.names, self._templates = names, templates

    def messages(self, question: Sequence[str], nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The classifier's conversation about the sentences of a reasoning that speak of the policy; at least one."""
        return tuple(self._templates.retrieval(self.names, list(map(clean, question)), nonce))

    def read(self, question: Sequence[str], reply: str, said: str) -> str | None:
        """The category that a reply names last, or `none`; None where it says neither."""
        text = said.lower()
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
    said, _ = court.ask(form, found, 1, ask, sampling)
    return {row: values[0] if values else None for row, values in said.items()}
