"""The three forms that are read: which one a text has, and what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from dalign.spec.imports.document import Part, is_example, parts_of, plain, quoted, term_of
from dalign.spec.imports.draft import Draft, guess_ruling
from dalign.spec.types import Ruling

Form = Literal["safeguard", "model-spec", "markdown"]

# SP0, SP2.a, HS-3: letters, a number, perhaps a letter of its own.
_CODE = r"[A-Z]{1,6}-?\d+(?:\.?[a-z0-9]+)?"
_CODED = re.compile(rf"\*{{0,2}}\(?(?P<code>{_CODE})\)?[.:]?\s+(?P<title>[^*–—:]+?)\*{{0,2}}\s*(?:[–—:]|\s-\s)\s*(?P<text>.+)")  # fmt: skip
_IN_TITLE = re.compile(rf"\(?#?(?P<code>{_CODE})\b")
_GOAL = re.compile(r"\*{0,2}goal\*{0,2}\s*:?\*{0,2}\s*(?P<text>.+)", re.IGNORECASE)
_DEFINING = re.compile(r"\b(definitions?|terms|glossary|key concepts)\b", re.IGNORECASE)
_EXAMPLES = re.compile(r"\bexamples?\b", re.IGNORECASE)
_LABELLED = re.compile(rf"(?:label|answer|verdict|output)\W+(?P<label>{_CODE}|[A-Za-z0-9-]+)", re.IGNORECASE)  # fmt: skip
_USER = re.compile(r"<user[^>]*>(?P<text>.*?)</user>", re.DOTALL)
_PREFACE = re.compile(r"\b(instructions?|output|format|overview|introduction|about|changelog|version)\b", re.IGNORECASE)  # fmt: skip


def form_of(text: str) -> Form:
    """The form that a text has, by its headings."""
    parts = parts_of(text)
    if any(part.anchor for part in parts):
        return "model-spec"
    tiers = re.compile(r"(violates|safe|allowed content)\b", re.IGNORECASE)
    if any(_IN_TITLE.search(part.title) or tiers.match(part.title) for part in parts):
        return "safeguard"
    return "safeguard" if any(_coded(p) for part in parts for p in part.paragraphs) else "markdown"


def read_form(text: str, form: Form) -> Draft:
    """What a policy of that form says. Clauses get the ids that it has, or numbers."""
    draft = Draft()
    parts = parts_of(text)
    titles = [part.title for part in parts if part.level == 1]
    draft.title = next((title for title in titles if not _PREFACE.search(title)), "policy")
    readers: dict[Form, Callable[[Draft, list[Part]], None]] = {
        "safeguard": _safeguard,
        "model-spec": _model_spec,
        "markdown": _markdown,
    }
    readers[form](draft, parts)
    if not draft.summary:
        draft.summary = draft.title
        draft.guesses.append(f"the summary is the title: {draft.title!r}")
    return draft


def _coded(paragraph: str) -> re.Match[str] | None:
    return _CODED.match(paragraph.removeprefix("- "))


def _common(draft: Draft, part: Part) -> bool:
    """Takes in what every form has: definitions, and a goal or an introduction as the summary."""
    if _DEFINING.search(part.title):
        for paragraph in part.paragraphs:
            if (found := term_of(paragraph)) is not None:
                draft.definitions.setdefault(*found)
        return True
    if draft.summary:
        return False
    titled = part.title.casefold() == "goal"
    goal = next((m for p in part.paragraphs if (m := _GOAL.match(p))), None)
    intro = [p for p in part.paragraphs if not p.startswith("- ")]
    if goal:
        draft.summary = _shortened(plain(goal["text"]))
    elif (part.level <= 1 and intro) or titled:
        draft.summary = _shortened(plain(intro[0] if intro else part.text))
    return bool(draft.summary) and (part.level <= 1 or titled)


def _safeguard(draft: Draft, parts: list[Part]) -> None:
    """Tiers with a code each; in them coded rules, or bullets; examples below a rule or in a section of their own."""
    tier: Part | None = None
    latest = ""
    for part in parts:
        if _common(draft, part):
            continue
        if _EXAMPLES.search(part.title):
            _labelled_examples(draft, part, latest)
            continue
        if _PREFACE.search(part.title) or not (part.title and part.text) or part.level == 1:
            continue
        nested = tier is not None and part.level > tier.level and _IN_TITLE.search(part.title)
        above = tier.title if nested and tier is not None else ""
        if not nested:
            tier = part
        latest = _rules(draft, part, above) or latest


def _rules(draft: Draft, part: Part, above: str) -> str:
    """The rules of one part: coded ones, else each bullet, else the part as a whole. Returns the last one's key."""
    ruling = _ruling(draft, part, part.title, above, part.text)
    code = _IN_TITLE.search(part.title)
    last = ""
    if any(_coded(p) for p in part.paragraphs):
        for p in part.paragraphs:
            if match := _coded(p):
                last = draft.add(match["code"], ruling, plain(match["title"]), plain(match["text"]), part.line)  # fmt: skip
            if last and (match or is_example(p)):
                draft.give_examples(last, quoted(p))
        return last
    if part.bullets and not code:
        return _bullets(draft, part, ruling, part.title[:1].upper() or "C")
    title = plain(_IN_TITLE.sub("", part.title)).strip("()#–—:- ") or part.title
    return _whole(draft, part, ruling, code["code"] if code else "", title)


def _bullets(draft: Draft, part: Part, ruling: Ruling, letter: str) -> str:
    """A clause for each bullet, and what of the part became none. Returns the last one's key."""
    for p in part.rules:
        if not p.startswith("- "):
            draft.guesses.append(f"line {part.line}: left out below {part.title!r}, as it is no bullet: {plain(p)!r}")  # fmt: skip
    last = ""
    for bullet in part.bullets:
        key = f"{letter}{len(draft.clauses) + 1}"
        last = draft.add(key, ruling, _title(bullet), bullet, part.line)
    return last


def _whole(draft: Draft, part: Part, ruling: Ruling, key: str, title: str) -> str:
    """The part as one clause with its examples. Returns its key."""
    key = draft.add(key, ruling, title, part.prose, part.line)
    draft.give_examples(key, part.examples)
    return key


def _labelled_examples(draft: Draft, part: Part, latest: str) -> None:
    """Examples: of the clause that their label names, else of the clause above them."""
    prompt = ""
    for paragraph in part.paragraphs:
        label = _LABELLED.search(paragraph)
        found = quoted(paragraph)
        prompt = found[0] if found else prompt
        key = _key_of(draft, label["label"]) if label else None
        if label is None and latest:
            draft.give_examples(latest, found)
        elif key is not None and prompt:
            draft.give_examples(key, [prompt])
            prompt = ""


def _key_of(draft: Draft, label: str) -> str | None:
    """The key of the clause that a label names, by its key or by the side that it is on."""
    key = re.sub(r"[^A-Za-z0-9_-]+", "-", label)
    if key in draft.clauses:
        return key
    side = label.lower()
    if side not in ("0", "1", "valid", "invalid", "safe", "unsafe"):
        return None
    complies = side in ("0", "valid", "safe")
    return next((c.key for c in draft.clauses.values() if (c.ruling == "comply") == complies), None)


def _model_spec(draft: Draft, parts: list[Part]) -> None:
    """Headings with anchors: each part with text of its own is a clause, by its anchor."""
    for part in parts:
        if _common(draft, part) or not (part.title and part.prose):
            continue
        if part.anchor or not _PREFACE.search(part.title):
            ruling = _ruling(draft, part, part.title, part.prose)
            key = draft.add(part.anchor, ruling, part.title, part.prose, part.line)
            users = [user["text"] for block in part.blocks for user in _USER.finditer(block)]
            draft.give_examples(key, map(plain, users))


def _markdown(draft: Draft, parts: list[Part]) -> None:
    """Anything with headings: bullets below a heading that permits or forbids are clauses, other parts one each."""
    for part in parts:
        if _common(draft, part) or _PREFACE.search(part.title) or not part.text:
            continue
        _, sign = guess_ruling(part.title)
        if sign and part.bullets:
            _bullets(draft, part, _ruling(draft, part, part.title), "C")
        elif part.title:
            ruling = _ruling(draft, part, part.title, part.prose)
            _whole(draft, part, ruling, "", part.title)


def _ruling(draft: Draft, part: Part, *texts: str) -> Ruling:
    ruling, word = guess_ruling(*texts)
    why = f"for its word {word!r}" if word else "for want of a telling word"
    draft.guesses.append(f"line {part.line}: {part.title!r} rules {ruling}, {why}")
    return ruling


def _title(text: str) -> str:
    """The first words of a rule."""
    head = re.split(r"[.;:–—(]", text, maxsplit=1)[0].split()
    return " ".join(head[:8]) or "Rule"


def _shortened(text: str) -> str:
    words = text.split()
    return text if len(words) <= 90 else " ".join(words[:90]) + " …"
