"""From which category's policy were these sentences of a reasoning taken? (paper 4.2)"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dalign.judge.court import Clean, Court
from dalign.models.protocol import Asked, Sampling
from dalign.rows import Message
from dalign.spec.templates import Templates

# What the classifier says of excerpts that are of no policy.
NONE = "none"
# A name is no part of another word, such as harm in self-harm; marks of emphasis may stand at it.
_WORD = r"(?<![^\W_])(?<!\w[-_])(?P<name>%s)(?![-_]?[^\W_])"
# What denies a name: before it in its clause, no farther than so many characters, or after it.
_CLAUSE = 60
_DENIED = re.compile(
    r"(?i)(?:\b(?:not|nor|neither|cannot|without|unlike|(?:rather|other) than|instead of)|n['’]t)"
    r"(?:[\s\"'*_`“‘]+(?!but\b|rather\b)\w+){0,3}[\s\"'*_`“‘]+$"
)
_DENIED_AFTER = re.compile(
    r"(?i)[\s\"'*_`”’]+(?:policy\s+)?(?:(?:is|does|was|would|can|do|are)(?:\s+not|n['’]t)|cannot)\b"
)
# A line of its own, or after a label.
_BESIDE = r"(?:[^\w\n]|_){0,9}"
_FINAL = (
    rf"(?:^[^\S\n]*[\"'*_`“‘(\[]{{0,9}}|(?:[:=]|\b(?:answer|category|policy|name) is){_BESIDE})"
)


class CategoryForm:
    """Asks for a category by name."""

    name = "retrieval"
    # It is asked once.
    whole_nonce = False

    def __init__(self, names: Sequence[str], templates: Templates) -> None:
        """names: of the categories that have a policy."""
        self.names, self._templates = names, templates
        self._spelt = {name.lower(): name for name in (*names, NONE)}
        # At one place the longest is read.
        longest = sorted(map(re.escape, self._spelt), key=len, reverse=True)
        word, flags = _WORD % "|".join(longest), re.IGNORECASE | re.MULTILINE
        self._word = re.compile(word, flags)
        self._final = re.compile(rf"{_FINAL}{word}{_BESIDE}$", flags)

    def messages(self, question: Sequence[str], nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The classifier's conversation about the sentences of a reasoning that speak of the policy; at least one."""
        return tuple(self._templates.retrieval(self.names, list(map(clean, question)), nonce))

    def read(self, question: Sequence[str], reply: str, said: str) -> str | None:
        """The category that a reply names, or `none`; None where it says neither, or names several and none at last.

        The last one on a line of its own or after a label goes before what is said in sentences.
        """
        named = [match["name"].lower() for match in self._final.finditer(said)][-1:] or {
            match["name"].lower()
            for match in self._word.finditer(said)
            if not _DENIED.search(said[max(0, match.start() - _CLAUSE) : match.start()])
            and not _DENIED_AFTER.match(said, match.end())
        }
        return self._spelt[next(iter(named))] if len(named) == 1 else None


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
