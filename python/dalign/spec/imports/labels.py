"""Which ruling do words say? A label says it outright, a sentence only by the verb that rules it."""

from __future__ import annotations

import re
from typing import NamedTuple

from dalign.spec.types import RULINGS, Ruling

# Longer labels of any ruling go before shorter ones: "not allowed" before "allowed".
_LABELS: dict[Ruling, str] = {
    "comply": (
        "does(?: not|n[’']t) violate|do not violate|not (?:a |in )?violati(?:on|ng)|no[- ]violations?|non[- ]violat(?:ing|ion)|violates? nothing|"
        "always allowed|fully allowed|allowed(?: content| topics?| requests?)?|allow|permitted|permit|permissible|acceptable(?: use)?|okay|ok|fine|comply|help freely|"
        "we (?:will|do|can|help(?: with)?)|you (?:can|may)|help(?: with)?|answer(?: freely| fully)?|approved?|welcome|valid|safe|benign|green|low[- ]risk|yes|dos?|please do"
    ),
    "refuse": (
        "not allowed|never allowed|not permitted|not ok(?:ay)?|not acceptable|unacceptable|disallow(?:ed)?(?: content| topics?| requests?)?|prohibited|prohibit|forbidden|forbid|refused?|refusal|decline[ds]?|"
        "block(?:ed)?|ban(?:ned)?|violat(?:es?|ing|ions?)|deny|denied|reject(?:ed)?|no help|do(?: not|n[’']t)s?|never|no go|off[- ]limits|out of bounds|"
        "invalid|unsafe|red|high[- ]risk|we (?:will not|won[’']t|do not|don[’']t|can(?:not|[’']t)|never|refuse|decline|never help(?: with)?)|no"
    ),
    "safe-complete": (
        "safe[- ]complet(?:e|ion|ions|ed)|borderline|part(?:ial|ly|ially)(?: help| answer| allowed)?|limited(?: help)?|conditional(?:ly allowed)?|restricted|"
        "(?:(?:allowed|permitted|ok(?:ay)?|answer|help|handle|comply|we (?:may|can|will|help)),? )?with (?:care|caution|limits|conditions)|caution|careful(?:ly)?|be careful(?: with)?|general (?:information|help|answers?)(?: only)?|(?:only )?in general terms(?: only)?|"
        "redirect|refer|support(?:ive)?|sensitive|amber|yellow|orange|gr[ae]y(?: area)?|likely|medium[- ]risk|it depends|depends"
    ),
}  # fmt: skip
_SIGNS: dict[Ruling, str] = {
    "comply": "✅✔🟢☑👍",
    "refuse": "❌✖✗🚫⛔🔴🛑👎",
    "safe-complete": "⚠🟡🟨🟠🔶",
}
_ANY = "|".join(f"(?P<r{nth}>{_LABELS[ruling]})" for nth, ruling in enumerate(RULINGS))
_SIGNED = "".join(_SIGNS.values())
_WHOLE = re.compile(rf"(?:{_ANY})", re.IGNORECASE)
# Words around a label that say nothing more.
_AROUND = re.compile(
    r"^(?:what (?:is|are|we)|things (?:that|which)|(?:these |this )?(?:is|are)|it is|(?:content|requests?|topics?|cases?|questions?|rules?) (?:that|which) (?:is|are|we)?|always|strictly|usually|the assistant|you (?:may|can)|we)\s+"
    r"|\s+(?:content|topics?|requests?|cases?|questions?|rules?|tier|examples?|policy|uses?|things|these|it|list|zone|light|level|flags?|lane|group)$",
    re.IGNORECASE,
)
_EDGES = " \t*_`#:.;,()[]{}<>–—-=>→|/\"'"


class Said(NamedTuple):
    """A ruling, and the words that say it."""

    ruling: Ruling
    words: str


def label(text: str) -> Said | None:
    """The ruling of a text that is nothing but a label, such as '(ALLOWED)', 'Ruling: safe completion' or a sign."""
    bare = text.translate({ord("\ufe0f"): None}).strip(_EDGES)
    signs = [ruling for ruling, each in _SIGNS.items() if any(sign in bare for sign in each)]
    bare = re.sub(rf"[{_SIGNED}]", "", bare).replace("_", " ").strip(_EDGES)
    if not bare:
        return Said(signs[0], text.strip()) if len(signs) == 1 else None
    for _ in range(4):
        if (match := _WHOLE.fullmatch(bare)) is not None:
            nth = next(nth for nth in range(len(RULINGS)) if match[f"r{nth}"] is not None)
            return Said(RULINGS[nth], bare) if not signs or RULINGS[nth] in signs else None
        if (shorter := _AROUND.sub("", bare).strip(_EDGES)) == bare:
            break
        bare = shorter
    return None


_VERBS = r"(?:help|assist|answer|explain|give|write|provide|share|discuss|tell|describe|talk|support|offer|translate|comment|draft|name|list|show|advise|recommend|collect|pass|promise|engage|make|take|produce|create|sell|post|reveal|send|encourage|quote|repeat|use|speculate|diagnose|predict|do)"
# Words that are labels where they stand alone, and begin many a sentence, title or answer.
_WEAK = re.compile(r"yes|no|help|answer|support(?:ive)?|refer|redirect|sensitive|safe|valid|fine|welcome|red|green|yellow|orange|amber|gr[ae]y|likely|partial|limited|approved?|comply|dos?|okay|ok|never|careful(?:ly)?|caution|support|deny|reject|block|ban|allow|permit", re.IGNORECASE)  # fmt: skip


def heading_label(title: str) -> Said | None:
    """The ruling that a heading says: as a whole, in brackets, at an end, or with its first words ('High-risk spam')."""
    title = re.sub(
        r"^(?:tier|level|group|class|part|section|band|list)\s+(?:\d+|[A-Z]|[IVX]+)\s*[:.–—-]\s*",
        "",
        title,
        flags=re.IGNORECASE,
    )
    if found := label(title) or next((s for each in (trailing_label, leading_label) if (p := each(title)) for s in [p[0]]), None):  # fmt: skip
        return found
    brackets = [said for match in _BRACKETED.finditer(title) if (said := label(match["label"]))]
    bare = _BRACKETED.sub(" ", title).strip(_EDGES)
    signs = [ruling for ruling, each in _SIGNS.items() if any(sign in title for sign in each)]
    if len(signs) == 1:
        return Said(signs[0], title)
    if brackets or (said := label(bare)):
        return brackets[0] if brackets else said
    match = _WHOLE.match(bare)
    if match and re.match(r"\s*(?:only|except|unless|if|with|but|not|when|where|an?)\b", bare[match.end() :], re.IGNORECASE):  # fmt: skip
        return None
    # "Safe travel" is no label; "Likely spam" and "Be careful with …" are.
    if match and bare[match.end() : match.end() + 1] == " " and len(bare.split()) <= 8:
        behind = bare[match.end() :].strip()
        if match[0].casefold() in ("never", "refuse", "do not", "don't", "don’t"):
            verb = re.match(rf"(?:\w+ )?{_VERBS}\b|(?:to|all|any|requests?)\b", behind)
            return label(match[0]) if verb else None
        weak = _WEAK.fullmatch(match[0]) and match[0].casefold() != "likely"
        return None if weak else label(match[0])
    return None


# A label at an end: in capitals, in brackets, or behind a dash or an arrow.
_BRACKETED = re.compile(r"\s*[\[({](?P<label>[^\[\](){}]{2,60})[\])}]\s*[.:]?\s*")
_NAMED = re.compile(r"(?:^|(?<=[\s.;|(\[]))\*{0,2}(?:ruling|verdict|decision|action|outcome|label)\*{0,2}\s*[:=]\*{0,2}\s*(?P<label>[^.;|\n)\]]{2,40})[.;)\]]?\s*$", re.IGNORECASE)  # fmt: skip
_BEHIND = re.compile(r"\s*(?:—|–|->|=>|→|⇒|>>|\||\s-)\s*(?P<label>[^—–→⇒|]{2,40})$")
_CAPITALS = re.compile(r"(?:^|(?<=[\s.;:!?\"”]))(?P<label>[A-Z][A-Z'’-]*(?:[ -][A-Z][A-Z'’-]+){0,3})[.:]?$")  # fmt: skip


def trailing_label(text: str) -> tuple[Said, str] | None:
    """The label that ends a text, and the text without it."""
    text = text.rstrip(" *_\n")
    for pattern in (_NAMED, _BEHIND, _CAPITALS):
        if (match := pattern.search(text)) and (said := label(match["label"])):
            return said, text[: match.start()].rstrip(" *_–—->|=")
    brackets = list(_BRACKETED.finditer(text))
    last = brackets[-1] if brackets else None
    if last is not None and last.end() == len(text) and (said := label(last["label"])):
        return said, text[: last.start()]
    if text and text[-1] in _SIGNED + "\ufe0f" and (said := label(text.rstrip("\ufe0f")[-1])):
        return said, text.rstrip("\ufe0f")[:-1].rstrip()
    return None


def leading_label(text: str) -> tuple[Said, str] | None:
    """The label that begins a text, and what follows it: 'ALLOWED: …', '[refuse] …', '✅ …'."""
    text = text.strip()
    if text[:1] and text[0] in _SIGNED:
        rest = text[1:].lstrip("\ufe0f ")
        found = leading_label(rest) if rest and rest[0] not in _SIGNED else None
        said = label(text[0])
        if said and (found is None or found[0].ruling == said.ruling):
            return said, found[1] if found else rest
        return None
    if (match := _BRACKETED.match(text)) and (said := label(match["label"])):
        return said, text[match.end() :].lstrip(" :–—-")
    match = re.match(r"\*{0,2}_?(?P<label>[^:–—→|*_\"“]{2,40}?)(?:\*{0,2}_?\s*(?::|–|—|→|->|\|)\*{0,2}|\*\*)\s*(?P<rest>.*)$", text, re.DOTALL)  # fmt: skip
    if match and (said := label(match["label"])) and not (match["rest"] and _WEAK.fullmatch(said.words)):  # fmt: skip
        return said, match["rest"].strip()
    match = re.match(r"(?P<label>[A-Z][A-Z'’-]+(?:[ -][A-Z][A-Z'’-]+){0,3})\s+(?P<rest>\S.*)$", text, re.DOTALL)  # fmt: skip
    if match and (said := label(match["label"])):
        return said, match["rest"].strip()
    return None


_WHO = r"(?:the (?:assistant|model|bot|chatbot|agent|helper|guide|concierge|desk|service|system|clerk)|we|you|it|staff|assistants?|the desk|the team)"
# Of a sentence: what rules it. A word of permission inside of it ("it may hurt") rules nothing.
_CUES: dict[Ruling, re.Pattern[str]] = {
    "refuse": re.compile(
        rf"^(?:please )?(?:refuse|decline|reject|block)\b(?! (?:nothing|no |none))|^(?:please )?never\s+(?:\w+\s+)?{_VERBS}\b|^(?:please )?(?:do not|don[’']t|avoid)\s+(?:\w+\s+)?{_VERBS}|"
        rf"\b{_WHO} (?:must|should|may|can|do|does|will|shall)(?: not|n[’']t|not)(?: ever)? |\b{_WHO} (?:can[’']t|won[’']t|cannot)\b|\b{_WHO} (?:must |should |will |always )?(?:never|refuses?|declines?)\b|"
        r"\bbut (?:never|refuse|decline|do not|don[’']t)\b|\b(?:is|are|must be|remains?|stays?) (?:strictly |always |never |simply )?(?:prohibited|forbidden|banned|refused|declined|off[- ]limits|out of bounds|not (?:be )?(?:allowed|permitted|ok|okay|acceptable|welcome|answered|helped))\b|\b(?:is|are) never (?:allowed|permitted|ok|okay|acceptable|answered)\b|\bgets? a (?:short |polite )?(?:refusal|no)\b",
        re.IGNORECASE,
    ),
    "safe-complete": re.compile(
        r"\b(?:in|only in) general terms\b|\bgeneral (?:information|facts|advice|terms) only\b|\bonly (?:in general|general)\b|^(?:give|offer|provide|share|keep to) (?:only )?general\b|"
        r"\b(?:point|refer|direct|send|steer) (?:them|the user|users|people|whoever \w+|the \w+|him|her)\b[^.;]*\bto\b|\b(?:with|without) (?:the )?(?:care|caution|limits|details|steps|amounts|doses)\b|\bhandle with care\b|\bbe careful\b|\b(?:safe|partial) completion\b",
        re.IGNORECASE,
    ),
    "comply": re.compile(
        rf"\bbut (?:do )?(?:help|answer|explain|allow|assist)\b|^(?:please |always |gladly |freely |happily )?(?:help|assist|answer|explain|allow|comply|support|welcome)\b|"
        rf"\b{_WHO} (?:should|may|can|will|must|happily|gladly|always|freely|are happy to|is happy to|is free to|are free to|are glad to|is glad to)(?: always| freely| gladly| happily)? (?:{_VERBS}|follow|comply)\b|\b{_WHO} (?:do |does |also |gladly )?(?:help|helps|answer|answers|explain|explains) |"
        r"\b(?:is|are|may be|can be) (?:always |perfectly |generally |freely |gladly |entirely |quite )?(?:allowed|permitted|fine|ok|okay|welcome|acceptable|answered|in scope|helped with|discussed freely|explained|no problem)\b|\bgets? (?:a )?(?:full|plain|complete) (?:help|answers?)\b",
        re.IGNORECASE,
    ),
}  # fmt: skip


# What turns a sentence around: whom it leaves none of, a refusal that is denied, a negation before a permission.
_NOBODY = re.compile(
    r"(?:no|nobody|no one|none|nothing|neither|few|hardly|only)\b(?! matter)", re.IGNORECASE
)
_DENIED = re.compile(
    r"\b(?:not|never|n[’']t|cannot|without|avoid|stop)\s+(?:\w+\s+){0,2}?(?:refus\w+|declin\w+|block\w*|reject\w*|forbid\w*|hesitate|mind|need to|have to|fail|miss|forget|leave)\b|n[’']t (?:refus\w+|declin\w+|hesitate|mind)\b|\bneed not\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|never|cannot|hardly|rarely|seldom|unless|except|only|instead of|rather than)\b|n[’']t\b",
    re.IGNORECASE,
)


def _turned(sentence: str, match: re.Match[str]) -> bool:
    if _NOBODY.match(sentence) or _DENIED.search(sentence):
        return True
    permits = re.search(
        r"\b(?:allowed|permitted|fine|ok|okay|welcome|acceptable|answered|help|may|can)\b", match[0]
    )
    negates = re.search(r"\b(?:not|never)\b|n[’']t|cannot|can[’']t", match[0])
    return bool(permits and not negates and _NEGATED.search(sentence[: match.start()]))


def cued(sentences: list[str]) -> tuple[Said | None, set[Ruling]]:
    """The ruling that the sentences agree on, and all that they say. None where none rules, or where they differ."""
    found: dict[Ruling, str] = {}
    for sentence in sentences:
        # A question says nothing of its answer.
        if sentence.rstrip('"”’)').endswith("?"):
            continue
        for ruling, cue in _CUES.items():
            if match := cue.search(sentence.strip()):
                found.setdefault(ruling, match[0])
                if _turned(sentence.strip(), match):
                    # It may say the opposite: then both are said.
                    found.setdefault("comply", match[0])
                    found.setdefault("refuse", match[0])
    said = Said(*next(iter(found.items()))) if len(found) == 1 else None
    return said, set(found)
