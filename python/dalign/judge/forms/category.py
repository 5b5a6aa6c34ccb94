"""From which category's policy were these sentences of a reasoning taken? (paper 4.2)"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dalign.judge.court import Clean, Court
from dalign.models.protocol import Asked, Sampling
from dalign.rows import Message
from dalign.spec.templates import Templates
from dalign.text import spelt_plainly

# What the classifier says of excerpts that are of no policy.
NONE = "none"
# A name is no part of another word, such as harm in self-harm; marks of emphasis may stand at it.
_WORD = r"(?<![^\W_])(?<!\w[-_])(?P<name>%s)(?![-_]?[^\W_])"
# What denies a name: before it in its clause, no farther than so many characters, or after it.
_CLAUSE = 60
_DENIED = re.compile(
    r"(?i)(?:\b(?:not|no(?!\s+doubt)|nor|neither|never|hardly|scarcely|barely|cannot|without(?!\s+(?:a\s+)?doubt)|unlike|excluding|(?<!no )(?<!a )(?<!without )doubt(?:s|ed|ful)?|"
    r"unlikely|(?:rather|other|less) than|instead of|far from|anything but|nothing to do with)|n['’]t)"
    r"(?:[\s\"'*_`“‘]+(?!but\b|rather\b)\w+){0,3}[\s\"'*_`“‘]+$"
)
_DENIED_AFTER = re.compile(
    r"(?i)[\s\"'*_`”’]*(?:[?:,(–—-]+\s*)?(?:"
    r"(?:policy\s+)?(?:(?:is|does|was|would|can|do|are)(?:\s+not\b|n['’]t\b|\s+(?:(?:ruled|left)\s+out|unlikely|excluded)\b)|cannot\b)"
    r"|no\b(?!\s+doubt)|not\b(?!\s+\w))"
)
# What ends a statement, and what may stand around a name in it.
_END = re.compile(r"[\n.!?;:]+")
_SIGNS = " \t\r*_`'\"“”[]()<>#-"
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
        self.asks_seal = templates.asks_for_seal(self.name)
        self._spelt = {name.lower(): name for name in (*names, NONE)}
        self._joined = {_joined(name): name for name in self._spelt}
        # At one place the longest is read.
        longest = sorted(map(_spelling, self._spelt), key=len, reverse=True)
        word, flags = _WORD % "|".join(longest), re.IGNORECASE | re.MULTILINE
        self._word = re.compile(word, flags)
        self._final = re.compile(rf"{_FINAL}{word}{_BESIDE}$", flags)

    def parts(self, question: Sequence[str]) -> list[str]:
        """The names and the excerpts, each list with its length."""
        return [str(len(self.names)), *self.names, *question]

    def messages(self, question: Sequence[str], nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The classifier's conversation about the sentences of a reasoning that speak of the policy; at least one."""
        return tuple(self._templates.retrieval(self.names, list(map(clean, question)), nonce))

    def read(self, question: Sequence[str], reply: str, said: str, seal: str = "") -> str | None:
        """The category that a reply names, or `none`; None where it says neither, or more than one.

        The last line with the seal decides; else what stands on a line of its own or after a label, before what is
        said in sentences. Without the seal, a statement of an excerpt may be quoted, and gives no answer.
        """
        said = spelt_plainly(said)
        sealed = re.findall(rf"\b{seal}\b\W*?[:=](.*)", said, re.IGNORECASE) if seal else []
        if sealed:
            return self._only(self._mentioned(sealed[-1]))
        quoted = self._quoted(question, said.casefold())
        final = {self._named(match) for match in self._final.finditer(said)} - quoted
        return self._only(final or self._mentioned(said) - quoted)

    def _quoted(self, excerpts: Sequence[str], said: str) -> set[str]:
        """The names in those statements of the excerpts that a reply repeats."""
        statements = (
            each.strip(_SIGNS) for each in _END.split(spelt_plainly("\n".join(excerpts)).casefold())
        )
        return {name for each in statements if each in said for name in self._mentioned(each)}

    def _only(self, names: set[str]) -> str | None:
        return self._spelt[min(names)] if len(names) == 1 else None

    def _named(self, match: re.Match[str]) -> str:
        said = match["name"].lower()
        return said if said in self._spelt else self._joined[_joined(said)]

    def _mentioned(self, text: str) -> set[str]:
        """The names in a text that it does not deny."""
        return {
            self._named(match)
            for match in self._word.finditer(text)
            if not _DENIED.search(text[max(0, match.start() - _CLAUSE) : match.start()])
            and not _DENIED_AFTER.match(text, match.end())
        }


def _joined(name: str) -> str:
    """A name whatever joins its words."""
    return re.sub(r"[\s_-]+", "-", name)


def _spelling(name: str) -> str:
    """A pattern of a name's words, joined by a hyphen, a low line or a space."""
    return r"(?: ?[_-] ?| )".join(map(re.escape, re.split(r"[\s_-]+", name)))


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
