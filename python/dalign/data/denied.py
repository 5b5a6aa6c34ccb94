"""Which of the clauses that a text names it denies: it says, directly at the name, that the clause does not apply.

What denies anything else leaves the name cited: `I must not answer under harm.S1`, `harm.S1 does not allow it`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# As far as a denial reaches, in characters.
_REACH = 100
_GAP = r"[\s\"'*_`“”‘’]+"
_NOT = r"(?:\s+not|\s+never|n['’ʼ]?t)"
_BE = r"(?:is|are|was|were|be|it|this|that|['’]s|['’]re)"
_REALLY = rf"(?:(?:really|clearly|directly|actually|strictly|at all){_GAP})?"
# What stands between a denial and its name.
_IN = r"(?:in|under|within|about|for|of|by|part of|in the scope of|(?:a|the) (?:case|matter|question) (?:of|for|under))"
_COVERED = r"(?:be(?:ing)? )?(?:covered|governed|caught|addressed|described|meant|captured|touched) (?:by|in|under)|related to|subject to"
_FALL = r"(?:fall|come|belong|fit|match|concern|trigger|invoke|engage|relate|touch)(?: (?:under|within|to|in|into|on))?"
_KIND = rf"(?:(?:the|a|any|policy){_GAP}){{0,2}}(?:(?:clause|rule|section|policy){_GAP})?"
_BEFORE = re.compile(
    rf"(?i)(?:(?<!\bor )(?<!\bwhy )\bnot{_GAP}"
    rf"|(?:(?:^|[,;:.(—–]|\b(?:and|but))\s*not|{_BE}{_NOT}){_GAP}{_REALLY}{_IN}{_GAP}"
    rf"|(?:\bnot|n['’ʼ]?t){_GAP}{_REALLY}(?:{_COVERED}){_GAP}"
    rf"|\b(?:do|does|did|would){_NOT}{_GAP}{_REALLY}{_FALL}{_GAP}"
    r"|\b(?:(?:rather|other) than|instead of|as opposed to|unlike|n?either|nor|excluding|outside(?: of)?(?: the scope of)?"
    rf"|nothing to do with|rul(?:e|es|ed|ing) out){_GAP}(?:(?:by|under|applying|citing|using|invoking){_GAP})?"
    rf"){_KIND}$"
)
_CLOSE = r"[\s\"'*_`”’)\]]*"
_END = rf"(?={_CLOSE}(?:$|[.,;:!?)\]}}–—]|(?:but|here|and|while|so|because|since)\b))"
_THIS = r"\s+(?:this|it|that|these|us|here|the (?:request|case|question|prompt|message|user))\b"
_FITS = rf"(?:apply|applies|applied|fits?|come into play|bear on|(?:cover|govern|concern|address|reach|match|touch)(?:{_THIS}|{_END}))"
_AFTER = re.compile(
    rf"(?im){_CLOSE}(?:"
    r"(?:\([^()\n]{1,40}\)\s*)?(?:,\s*which\s+|[(–—]\s*(?:which\s+)?)?(?:(?:clearly|simply|really|obviously)\s+)?(?:"
    rf"(?:(?:do|does|did|would|will|can|could){_NOT}|cannot|hardly|scarcely|never)\s+{_REALLY}{_FITS}\b"
    rf"|(?:do|does|did|is|are|was|were|would){_NOT}{_END}"
    rf"|(?:is|are|was|were){_NOT}\s+{_REALLY}(?:applicable|relevant|in play|at issue|engaged|triggered|invoked|involved|concerned|meant"
    r"|it|the (?:(?:right|relevant|applicable|governing) )?(?:clause|one|rule|case|issue|point))\b"
    r"|(?:is|are|was|were)\s+(?:inapplicable|irrelevant|ruled out|out of scope|beside the point|excluded)\b)"
    rf"|[:=(–—-]+{_CLOSE}(?:no(?!\s+doubt)|n/a|false|(?:not|does not|doesn['’]t)(?:\s+(?:applicable|relevant|apply))?|inapplicable|irrelevant|[✗✘❌]){_END}"
    r"|\?\s*no\b(?!\s+doubt))"
)
_ALONE = re.compile(rf"(?i){_GAP}(?:alone|only)\b")
# What joins names of which one thing is said: behind a denial, and before one.
_OR, _AND = (
    re.compile(r"\W*(?:,\s*)?\b(?:or|nor)\b\W*|\s*/\s*"),
    re.compile(r"\W*\b(?:and|or|nor)\b\W*|\s*/\s*"),
)


# No text without one of them denies anything, and none denies over the end of a sentence.
_HINT = re.compile(
    r"(?i)n['’ʼ]?t\b|\bno|n/a|never|cannot|than\b|instead|opposed|unlike|either|exclud|outside|rul(?:e|es|ed|ing) out|hardly|scarcely|inapplicable|irrelevant|out of scope|beside the|false|[✗✘❌]"
)
_ENDS = re.compile(r".*[.;\n]", re.DOTALL)


def denied(text: str, names: Sequence[tuple[int, int]]) -> list[bool]:
    """For each place of a name, in order and none in another, whether the text denies that clause there."""
    if not _HINT.search(text):
        return [False] * len(names)
    found = [_is_denied(text, *place) for place in names]
    before = [is_before for is_before, _ in found]
    after = [is_after for _, is_after in found]
    if not any(before) and not any(after):
        return before
    for i in range(1, len(names)):
        between = text[names[i - 1][1] : names[i][0]][:_REACH]
        before[i] |= before[i - 1] and bool(_OR.fullmatch(between))
    for i in reversed(range(1, len(names))):
        between = text[names[i - 1][1] : names[i][0]][:_REACH]
        after[i - 1] |= after[i] and bool(_AND.fullmatch(between))
    return [either or other for either, other in zip(before, after, strict=True)]


def _is_denied(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Whether something denies it before the name, and behind it."""
    before, behind = text[max(0, start - _REACH) : start], text[end : end + _REACH]
    if sentence := _ENDS.match(before):
        before = before[sentence.end() :]
    is_before = _HINT.search(before) and _BEFORE.search(before) and not _ALONE.match(behind)
    return bool(is_before), bool(_AFTER.match(behind))
