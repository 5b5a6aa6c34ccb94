"""From which category's policy were these sentences of a reasoning taken? (paper 4.2)"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dalign.judge.court import Clean, Court
from dalign.judge.forms.category_words import Naming, affirmed, mentioned, plainly
from dalign.models.protocol import Asked, Sampling
from dalign.rows import Message
from dalign.spec.templates import Templates

# What the classifier says of excerpts that are of no policy.
NONE = "none"
# What ends a statement, and what may stand around a name in it.
_END = re.compile(r"[\n.!?;:]+")
_SIGNS = " \t\r*_`'\"“”[]()<>#-"


class CategoryForm:
    """Asks for a category by name."""

    name = "retrieval"
    # It is asked once.
    whole_nonce = False

    def __init__(self, names: Sequence[str], templates: Templates) -> None:
        """names: of the categories that have a policy."""
        self.names, self._templates = names, templates
        self.asks_seal = templates.asks_for_seal(self.name)
        self._words = Naming((*names, NONE))

    def parts(self, question: Sequence[str]) -> list[str]:
        """The names and the excerpts, each list with its length."""
        return [str(len(self.names)), *self.names, *question]

    def messages(self, question: Sequence[str], nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The classifier's conversation about the sentences of a reasoning that speak of the policy; at least one."""
        return tuple(self._templates.retrieval(self.names, list(map(clean, question)), nonce))

    def read(self, question: Sequence[str], reply: str, said: str, seal: str = "") -> str | None:
        """The category that a reply names, or `none`; None where it says neither, or more than one.

        The last line with the seal decides; else what is affirmed, as in `NAME: yes`, or stands on a line of its own or
        after a label, before what is said in sentences. Without the seal, a statement of an excerpt may be quoted, and
        gives no answer.
        """
        said = plainly(said)
        sealed = re.findall(rf"\b{seal}\b\W*?[:=](.*)", said, re.IGNORECASE) if seal else []
        if sealed:
            found = self._words.said(sealed[-1])
            return _only(affirmed(found) or mentioned(found))
        quoted, found = self._quoted(question, said.casefold()), self._words.said(said)
        clear = affirmed(found) | self._words.final(said, found)
        return _only(clear - quoted or mentioned(found) - quoted)

    def _quoted(self, excerpts: Sequence[str], said: str) -> set[str]:
        """The names in those statements of the excerpts that a reply repeats."""
        statements = (each.strip(_SIGNS) for each in _END.split(plainly("\n".join(excerpts)).casefold()))  # fmt: skip
        repeated = (each for each in statements if each in said)
        return {name for each in repeated for name in mentioned(self._words.said(each))}


def _only(names: set[str]) -> str | None:
    return min(names) if len(names) == 1 else None


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
