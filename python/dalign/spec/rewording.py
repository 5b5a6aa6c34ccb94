"""Which changed words of a text can change what it rules?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

# Negations, exceptions, permissions and duties, and whom or how much a rule takes in.
_TELLING = frozenset(
    [
        "no",
        "not",
        "never",
        "none",
        "neither",
        "nor",
        "nobody",
        "nothing",
        "without",
        "cannot",
        "unless",
        "except",
        "excepting",
        "exception",
        "exceptions",
        "excluding",
        "excluded",
        "excludes",
        "only",
        "even",
        "but",
        "if",
        "when",
        "until",
        "however",
        "although",
        "may",
        "might",
        "can",
        "could",
        "must",
        "shall",
        "should",
        "need",
        "allow",
        "allows",
        "allowed",
        "disallowed",
        "permit",
        "permits",
        "permitted",
        "permission",
        "forbid",
        "forbids",
        "forbidden",
        "prohibit",
        "prohibited",
        "refuse",
        "refuses",
        "refused",
        "refusal",
        "decline",
        "declines",
        "declined",
        "comply",
        "complies",
        "help",
        "helps",
        "helped",
        "answer",
        "answers",
        "answered",
        "give",
        "gives",
        "given",
        "withhold",
        "withheld",
        "leave",
        "avoid",
        "open",
        "excuse",
        "excused",
        "override",
        "overrides",
        "any",
        "all",
        "every",
        "each",
        "always",
        "everyone",
        "anyone",
        "whoever",
        "whatever",
        "whether",
        "and",
        "or",
        "both",
        "either",
        "most",
        "some",
        "few",
        "more",
        "less",
        "least",
    ]
)
_CONTRACTED = re.compile(r"n[’']t$")
# Words that carry no rule.
_FILLERS = frozenset(["a", "an", "the", "this", "that", "these", "those", "it", "its", "is", "are", "was", "were", "be", "been", "of", "to", "in", "on", "at", "for", "with", "by", "as", "so", "also", "then", "just", "very", "such", "there", "here", "which", "who"])  # fmt: skip
_NEGATING = ("un", "in", "im", "il", "ir", "dis", "non", "non-", "mis")
# Likeness of two spellings of a word.
_SLIP = 0.8


def telling_changes(before: str, after: str, *, any_word: bool) -> list[str]:
    """The changed words that can change a ruling, `-` before one that is gone and `+` before one that came.

    any_word: a word with a meaning of its own counts too, unless it is another spelling or form of the one that it replaces.
    """
    left, right = _words(before), _words(after)
    found = []
    for tag, i, j, k, m in SequenceMatcher(None, left, right, False).get_opcodes():
        if tag != "equal":
            found += _told(left[i:j], right[k:m], any_word=any_word)
    return found


def _told(gone: Sequence[str], come: Sequence[str], *, any_word: bool) -> list[str]:
    if len(gone) == len(come) and all(map(_same_word, gone, come)):
        return []

    def counts(word: str, others: Sequence[str]) -> bool:
        if word in _TELLING or _CONTRACTED.search(word):
            return True
        if any(_negates(word, other) for other in others):
            return True
        slip = any(_same_word(word, other) for other in others)
        return any_word and word not in _FILLERS and not slip

    return [f"-{word}" for word in gone if counts(word, come)] + [
        f"+{word}" for word in come if counts(word, gone)
    ]


def _same_word(one: str, two: str) -> bool:
    """Whether two words are one in two spellings or forms, or carry no rule both."""
    if one == two or (one in _FILLERS and two in _FILLERS):
        return True
    if {one, two} & _TELLING or _negates(one, two) or any(map(str.isdigit, one + two)):
        return False
    return min(len(one), len(two)) > 3 and SequenceMatcher(None, one, two, False).ratio() >= _SLIP


def _negates(one: str, two: str) -> bool:
    longer, shorter = (one, two) if len(one) > len(two) else (two, one)
    prefixed = any(longer == prefix + shorter for prefix in _NEGATING)
    return prefixed or (longer != shorter and longer.removesuffix("less") == shorter.removesuffix("ful"))  # fmt: skip


def _words(text: str) -> list[str]:
    return [word for part in text.casefold().split() if (word := part.strip("\"'“”‘’*_`.,;:!?()[]–—-"))]  # fmt: skip
