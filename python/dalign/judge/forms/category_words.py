"""What a reply says of each name: that it is meant, that it is not, or its name alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from dalign.text import spelt_plainly

# A name is no part of another word, such as harm in self-harm or self/harm, and of names with nothing but a sign between
# them none is read; marks of emphasis may stand at it.
_JOINED = r"/&+~·\\"
_WORD = (
    rf"(?<![^\W_])(?<!\w[-_{_JOINED}])(?P<name>%s)(?![-_]?[^\W_])(?![{_JOINED}](?:%s)(?![^\W_]))"
)
# What joins the words of a name.
_JOINS = rf"(?:\s?[-_{_JOINED}]\s?|[.:|]|[^\S\n]{{1,3}})"
_EMPHASIS = re.compile(r"(?<=\w)[*`]+(?=[-_/]\w)|(?<=\w[-_/])[*`]+(?=\w)")

# What denies a name: before it in its clause, no farther than so many characters, or after it.
_CLAUSE = 60
_DENIED = re.compile(
    r"(?i)(?:\b(?:not|no(?!\s+doubt)|nor|neither|never|hardly|scarcely|barely|cannot|without(?!\s+(?:a\s+)?doubt)|unlike|excluding|(?<!no )(?<!a )(?<!without )doubt(?:s|ed|ful)?|"
    r"unlikely|(?:rather|other|less) than|instead of|far from|anything but|nothing to do with)|n['’]t)"
    r"(?:[\s\"'*_`“‘]+(?!but\b|rather\b)\w+){0,3}[\s\"'*_`“‘]+$|~~$"
)
_DENIED_AFTER = re.compile(
    r"(?i)[\s\"'*_`”’]*(?:[?:,(–—-]+\s*)?(?:"
    r"(?:policy\s+)?(?:(?:is|does|was|would|can|do|are)(?:\s+not\b|n['’]t\b|\s+(?:(?:ruled|left)\s+out|unlikely|excluded)\b)|cannot\b)"
    r"|no\b(?!\s+doubt)|not\b(?!\s+\w))"
)

# A yes or a no of its own behind a name. A colon leaves no doubt of whom it speaks; behind a comma it must end there.
_AROUND = r"(?:[^\S\n]|[\"'*_`“”‘’)\]]){0,9}"
_IN_OBJECT = r"(?:\{[\s\"']{0,9}\w{1,20}[\"'\s]{0,9}[:=][\s\"']{0,9})?"
_ENDS = rf"(?={_AROUND}(?:$|[.,;:!/|}}<\[(–—-]))"
_YES, _NO = (
    r"yes|true|applies|applicable|present|likely|match(?:es)?",
    r"no(?!\s+doubt)|false|null|none(?!\s+of)|n/a|not(?=\s+(?:applicable|present|relevant|this|it)\b)|absent|inapplicable|unlikely",
)
_ANSWERED = re.compile(
    rf"(?im){_AROUND}(?:"
    rf"(?:[:?=|>→⇒]+{_AROUND}{_IN_OBJECT}|\bis\s+(?=true\b|false\b))(?:(?P<yes>{_YES})|(?P<no>{_NO}))\b"
    rf"|[:?=|>→⇒,(–—-]+{_AROUND}(?:(?P<yes_>{_YES}|y)|(?P<no_>{_NO}|n|not))\b{_ENDS})"
)
_ANSWERED_BEFORE = re.compile(
    r"(?im)(?:^|[.;,/|(])\s*(?:(?P<yes>yes|true)|no|false|not)\s*[:=][\s\"'*_`“‘]*$"
)
# A box, ticked or not. On a line that begins with one, each stands before its name; else behind it.
_TICKED = r"(?:\[[xX✓✔]\]|\([xX✓✔•●]\)|[✓✔✅☑🗸🗹👍])"
_BOX = rf"(?:(?P<yes>{_TICKED})|\[\s?\]|\(\s\)|[✗✘❌❎☒☐✕✖×👎🚫])\ufe0f?"
_BOXED = re.compile(_BOX)
_BOXED_BEFORE = re.compile(rf"{_BOX}[^\S\n]?[\s\"'*_`“‘]{{0,9}}$")
_BOXED_AFTER = re.compile(rf"{_AROUND}[:=|→⇒–—-]{{0,9}}{_AROUND}{_BOX}")
_NEAR = 16

# A line of its own, or after a label.
_BESIDE = r"(?:[^\w\n]|_){0,9}"
_FINAL = (
    rf"(?:^[^\S\n]*[\"'*_`“‘(\[]{{0,9}}|(?:[:=]|\b(?:answer|category|policy|name) is){_BESIDE})"
)


class Said(NamedTuple):
    """A place where a name stands. is_it: whether it is said to be the one; None where it is named alone."""

    start: int
    name: str
    is_it: bool | None


class Naming:
    """Finds names in a text, in capitals or not and whatever joins their words."""

    def __init__(self, names: Sequence[str]) -> None:
        self._spelt = {name.lower(): name for name in names}
        self._joined = {_joined(name): name for name in self._spelt}
        # At one place the longest is read.
        spellings = "|".join(sorted(map(_spelling, self._spelt), key=len, reverse=True))
        word, flags = _WORD % (spellings, spellings), re.IGNORECASE | re.MULTILINE
        self._word = re.compile(word, flags)
        self._final = re.compile(rf"{_FINAL}{word}{_BESIDE}$", flags)

    def said(self, text: str) -> list[Said]:
        """Each name in a text that `plainly` gave, and what is said of it there; none that is affirmed and denied."""
        found = list(self._said(text))
        both = affirmed(found) & {each.name for each in found if each.is_it is False}
        return [each for each in found if each.name not in both]

    def _said(self, text: str) -> Iterator[Said]:
        line_end, is_before = -1, False
        for match in self._word.finditer(text):
            start, end = match.span("name")
            if start > line_end:
                line_end = text.find("\n", start) % (len(text) + 1)
                is_before = bool(_BOXED.search(text, text.rfind("\n", 0, start) + 1, start))
            box = _box_before(text, start) if is_before else _BOXED_AFTER.match(text, end)
            yield Said(start, self._named(match), _is_it(text, start, end, box))

    def final(self, text: str, said: Collection[Said]) -> set[str]:
        """The names that stand on a line of their own or after a label, and that nothing there denies."""
        denied = {each.start for each in said if each.is_it is False}
        found = self._final.finditer(text)
        return {self._named(match) for match in found if match.start("name") not in denied}

    def _named(self, match: re.Match[str]) -> str:
        said = match["name"].lower()
        return self._spelt[said if said in self._spelt else self._joined[_joined(said)]]


def plainly(text: str) -> str:
    """A text in which no mark of emphasis and no odd hyphen parts a name."""
    return _EMPHASIS.sub("", spelt_plainly(text))


def affirmed(said: Collection[Said]) -> set[str]:
    """The names that are said to be the one."""
    return {each.name for each in said if each.is_it}


def mentioned(said: Collection[Said]) -> set[str]:
    """The names that stand somewhere and are not denied there."""
    return {each.name for each in said if each.is_it is not False}


def _box_before(text: str, start: int) -> re.Match[str] | None:
    return _BOXED_BEFORE.search(text[max(0, start - _NEAR) : start])


def _is_it(text: str, start: int, end: int, box: re.Match[str] | None) -> bool | None:
    """What is said of the name that stands there: by a box, a word of its own, or a denial in its sentence."""
    if box:
        return box["yes"] is not None
    if found := _ANSWERED.match(text, end):
        return bool(found["yes"] or found["yes_"])
    before = text[max(0, start - _CLAUSE) : start]
    label = before.rstrip(" \t\n\"'*_`“‘")[-1:]
    if label and label in ":=" and (found := _ANSWERED_BEFORE.search(before)):
        return found["yes"] is not None
    # What denies it stands behind every sign of its sentence.
    clause = before[max(map(before.rfind, ".;,:!?")) + 1 :]
    return False if _DENIED.search(clause) or _DENIED_AFTER.match(text, end) else None


def _joined(name: str) -> str:
    """A name whatever joins its words."""
    return re.sub(rf"[\s.:|{_JOINED}_-]+", "-", name)


def _spelling(name: str) -> str:
    """A pattern of a name's words, whatever joins them."""
    return _JOINS.join(map(re.escape, re.split(r"[\s_-]+", name)))
