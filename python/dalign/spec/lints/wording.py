"""Words that rule against their heading, let a password in, decide nothing, or were left for later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from dalign.spec.findings import Finding, SourceError, finding_at
from dalign.spec.outline import read_source
from dalign.spec.types import Clause, Place, Ruling, Spec
from dalign.text import short

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|\n")
# How a sentence begins that rules: whatever its heading says, a reader follows it.
_REFUSES = r"(?:the assistant |always |you must |please |must )*(?:refuse|decline|reject)s?\b(?! to (?:judge|moralise|lecture|guess))"
_FORBIDS = r"(?:never|do not|don[’']t|must not|no one may)\s+(?:help|answer|assist|comply|engage|write|allow|explain)\b(?! with harm)"
_PERMITS = (
    r"(?:the assistant |always |you may |please )*(?:comply|assist|allow|permit|provide (?!no)|"
    r"answer (?:fully|in full|freely|openly|everything|any|all|the (?:question|request)|it\b|them\b)|explain (?:fully|freely|how|every|the|it\b|step)|"
    r"(?:give|write|share|tell|describe|show|list|teach) (?:them|the user|it\b|all|everything|full|every|whatever|the steps)\b|"
    r"help (?:fully|freely|them\b|anyone|the user\b(?! (?:to |leave|find|stop|act))|with\b(?! (?:cool|one|tell|find|bring))))"
)
_IS_REFUSED = r"[^.;:]*\b(?:is|are|must be) (?:always |strictly |therefore )?(?:refused|forbidden|not allowed|not permitted|prohibited)\.?$"
_IS_ALLOWED = r"[^.;:]*\b(?:is|are) (?:always |therefore |freely )?(?:allowed|permitted|answered in full|complied with|helped with)\.?$"
# By ruling: what no sentence begins with, and what the first one does not say.
_AGAINST: Mapping[Ruling, tuple[re.Pattern[str], re.Pattern[str]]] = {
    "comply": (
        re.compile(rf"{_REFUSES}|never help\b", re.IGNORECASE),
        re.compile(
            rf"(?:never(?! an?\b)|do not|don[’']t)\b|{_FORBIDS}|{_IS_REFUSED}", re.IGNORECASE
        ),
    ),
    "refuse": (
        re.compile(rf"(?:{_PERMITS})(?!.*\b(?:is|are) refused)", re.IGNORECASE),
        re.compile(_IS_ALLOWED, re.IGNORECASE),
    ),
    "safe-complete": (
        re.compile(
            r"(?:comply\b|answer (?:fully|in full|everything)|help fully|allow\b|permit\b)",
            re.IGNORECASE,
        ),
        re.compile(rf"{_REFUSES}|{_IS_REFUSED}", re.IGNORECASE),
    ),
}
_WHO = r"(?:(?:the )?users?|they|he or she|someone|somebody|the person|the asker|people|anyone)"
_ROLES = r"(?:licensed |verified |real |trained |qualified |professional |self-declared )*(?:locksmith|doctor|nurse|clinician|pharmacist|lawyer|teacher|student|researcher|scientist|chemist|journalist|police(?: officer)?|soldier|professional|expert|developer|admin|administrator|security tester|parent|adult)s?"
_PASSWORD = re.compile(
    rf"\b(?:unless|except (?:if|when|where)|except|only if|only when)\s+(?:{_WHO}\s+(?:say|claim|state|insist|promise|assert|declare|swear|explain|ask)\w*\b"
    rf"|(?:for|to|by)\s+{_ROLES}\b|{_WHO}\s+(?:is|are)\s+an?\s+{_ROLES}\b|(?:it|this|that|the (?:request|question|purpose|aim))\s+(?:is|are|serves?)\s+(?:(?:meant )?for\s+)?(?:an?\s+)?(?:school|research|study|educat\w+|academic\w*|journalis\w+|fiction\w*|novel|story|film|art|work|professional)\b|for (?:school|research|educational|academic|professional|scientific|artistic)\b)",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"\b(?:(?:where|if|when|as) (?:appropriate|necessary|needed|suitable|possible|applicable)|in (?:some|certain|most) cases|be careful|"
    r"use (?:your )?(?:judg(?:e)?ment|common sense|discretion)|at (?:your|its) discretion|case by case|as you see fit|seems? to mean harm|etc\.)",
    re.IGNORECASE,
)
_LEFT = re.compile(r"\b(?:TODO|FIXME|TBD|TBC|XXX)\b|(?i:\blorem ipsum\b)|\?\?\?|<(?:insert|your)\b[^>]*>")  # fmt: skip


def headings(spec: Spec) -> Iterator[Finding]:
    """Kinds `against-heading` and `against-guide`: prose that rules otherwise than its heading."""
    for clause in spec.clauses():
        if said := _contrary(clause.ruling, clause.text):
            text = f"clause {clause.key} rules {clause.ruling!r}, and its prose says {short(said)!r}; make the two agree"
            yield finding_at(spec, clause.place, "against-heading", text, clause.id)
    for category in spec.categories:
        for guide in category.style:
            if said := _contrary(guide.ruling, guide.text):
                text = f"the style guide '{guide.ruling}' says {short(said)!r}: a guide says how, and the clause whether; move it to a clause, or take it out"
                yield finding_at(spec, guide.place, "against-guide", text)


def _contrary(ruling: Ruling, text: str) -> str:
    """The first sentence that rules otherwise; empty without one."""
    begins, opens = _AGAINST[ruling]
    sentences = [each.removeprefix("- ").strip() for each in _SENTENCE_END.split(text)]
    for nth, sentence in enumerate(filter(None, sentences)):
        if begins.match(sentence) or (nth == 0 and opens.match(sentence)):
            return sentence
    return ""


def weak_words(spec: Spec) -> Iterator[Finding]:
    """Kinds `password` and `vague`: what opens to whoever says the word, and what each reader decides otherwise."""
    for place, clause, text in _rules(spec):
        if match := _PASSWORD.search(text):
            said = f"{match[0]!r} is a password: whoever says it gets in; rule by what is asked for"
            yield finding_at(spec, place, "password", said, clause)
        if match := _VAGUE.search(text):
            said = f"{match[0]!r} decides nothing: each reader takes it otherwise; say when, by what can be seen"
            yield finding_at(spec, place, "vague", said, clause)


def _rules(spec: Spec) -> Iterator[tuple[Place, str, str]]:
    """The texts that rule: of clauses with their exclusions, and of definitions."""
    for clause in spec.clauses():
        yield clause.place, clause.id, clause.text
        for text in (*clause.includes, *clause.excludes):
            yield _at(clause, text), clause.id, text
    for category in spec.categories:
        yield from ((each.place, "", each.text) for each in category.definitions)


def _at(clause: Clause, text: str) -> Place:
    place = clause.place
    return Place(place.file, clause.lines.get(text, place.line), place.start, place.end)


def left_marks(spec: Spec) -> Iterator[Finding]:
    """Kind `todo`: a mark of what somebody wanted to come back to. A heading that is to be decided has a kind of its own."""
    for path in sorted(spec.folder.glob("[!.]*.md")):
        if path.name == "README.md":
            continue
        try:
            lines = read_source(spec.folder, path).lines
        except SourceError:
            # Told of where the file is read.
            continue
        for line in lines:
            if (match := _LEFT.search(line.text)) and not _UNDECIDED.match(line.text):
                said = f"{match[0]!r} is left in {short(line.text.strip())!r}; finish it or take it out"  # fmt: skip
                yield Finding(path, line.number, "todo", said)


_UNDECIDED = re.compile(r"###\s+\S+\s+TODO\b")
