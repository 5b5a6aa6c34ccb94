"""The three forms that are read: which one a text has, and what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from dalign.spec.imports.document import (
    Part,
    blocks,
    paragraphs,
    parts_of,
    plain,
    quoted,
    term_of,
)
from dalign.spec.imports.draft import Draft, guess_ruling
from dalign.spec.types import Clause, Ruling

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
    titles = [part.title for part in parts]
    coded = sum(bool(_IN_TITLE.search(title)) for title in titles)
    tiers = sum(bool(re.match(r"(violates|safe|allowed content)\b", t, re.IGNORECASE)) for t in titles)  # fmt: skip
    if coded or tiers or any(_CODED.match(p.removeprefix("- ")) for q in parts for p in paragraphs(q.lines)):  # fmt: skip
        return "safeguard"
    return "markdown"


def read_form(text: str, form: Form) -> Draft:
    """What a policy of that form says. Clauses get the ids that it has, or numbers."""
    draft = Draft()
    parts = parts_of(text)
    titles = [part.title for part in parts if part.level == 1]
    draft.title = next((title for title in titles if not _PREFACE.search(title)), "policy")
    reader: Callable[[Draft, list[Part]], None] = {
        "safeguard": _safeguard,
        "model-spec": _model_spec,
        "markdown": _markdown,
    }[form]
    reader(draft, parts)
    if not draft.summary:
        draft.summary = draft.title
        draft.guesses.append(f"the summary is the title: {draft.title!r}")
    return draft


def _common(draft: Draft, part: Part) -> bool:
    """Takes in what every form has: definitions, and a goal or an introduction as the summary."""
    if _DEFINING.search(part.title):
        for paragraph in paragraphs(part.lines):
            if (found := term_of(paragraph)) is not None:
                draft.definitions.setdefault(*found)
        return True
    if not draft.summary:
        goal = next((m for p in paragraphs(part.lines) if (m := _GOAL.match(p))), None)
        intro = [p for p in paragraphs(part.lines) if not p.startswith("- ")]
        if goal:
            draft.summary = _shortened(plain(goal["text"]))
        elif (part.level <= 1 and intro) or re.fullmatch(r"goal", part.title, re.IGNORECASE):
            draft.summary = _shortened(plain(intro[0] if intro else part.text))
        if draft.summary:
            return part.level <= 1 or bool(re.fullmatch(r"goal", part.title, re.IGNORECASE))
    return False


def _safeguard(draft: Draft, parts: list[Part]) -> None:
    """Tiers with a code each; in them coded rules, or bullets; examples below a rule or in a section of their own."""
    tier: Part | None = None
    latest: Clause | None = None
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


def _rules(draft: Draft, part: Part, above: str) -> Clause | None:
    """The rules of one part: coded ones, else each bullet, else the part as a whole. Returns the last."""
    ruling = _ruling(draft, part, part.title, above, part.text)
    code = _IN_TITLE.search(part.title)
    found = paragraphs(part.lines)
    coded = [match for p in found if (match := _CODED.match(p.removeprefix("- ")))]
    bullets = [plain(p[2:]) for p in found if p.startswith("- ") and not _is_example(p)]
    last: Clause | None = None
    if coded:
        for p in found:
            if match := _CODED.match(p.removeprefix("- ")):
                last = draft.add(match["code"], ruling, plain(match["title"]), plain(match["text"]), part.line)  # fmt: skip
            if last is not None and (match or _is_example(p)):
                for prompt in quoted(p):
                    draft.give_example(last, prompt)
        return last
    if bullets and not code:
        _tell_left_out(draft, part)
        for bullet in bullets:
            key = f"{part.title[:1].upper() or 'C'}{len(draft.clauses) + 1}"
            last = draft.add(key, ruling, _title(bullet), bullet, part.line)
        return last
    key = code["code"] if code else f"C{len(draft.clauses) + 1}"
    title = plain(_IN_TITLE.sub("", part.title)).strip("()#–—:- ") or part.title
    last = draft.add(key, ruling, title, _prose(part), part.line)
    for p in found:
        for prompt in quoted(p) if _is_example(p) else ():
            draft.give_example(last, prompt)
    return last


def _labelled_examples(draft: Draft, part: Part, latest: Clause | None) -> None:
    """Examples: of the clause that their label names, else of the clause above them."""
    prompt = ""
    for paragraph in paragraphs(part.lines):
        label = _LABELLED.search(paragraph)
        found = quoted(paragraph)
        prompt = found[0] if found else prompt
        clause = _clause_of(draft, label["label"]) if label else None
        if clause is None and label is None:
            for each in found if latest is not None else ():
                assert latest is not None
                draft.give_example(latest, each)
        elif clause is not None and prompt:
            draft.give_example(clause, prompt)
            prompt = ""


def _clause_of(draft: Draft, label: str) -> Clause | None:
    key = re.sub(r"[^A-Za-z0-9_-]+", "-", label)
    by_key = next((clause for clause in draft.clauses if clause.key == key), None)
    if by_key is not None or not re.fullmatch(r"0|1|valid|invalid|safe|unsafe", label, re.IGNORECASE):  # fmt: skip
        return by_key
    complies = label.lower() in ("0", "valid", "safe")
    return next((c for c in draft.clauses if (c.ruling == "comply") == complies), None)


def _model_spec(draft: Draft, parts: list[Part]) -> None:
    """Headings with anchors: each part with text of its own is a clause, by its anchor."""
    for part in parts:
        if _common(draft, part) or not (part.title and _prose(part)):
            continue
        if not part.anchor and _PREFACE.search(part.title):
            continue
        ruling = _ruling(draft, part, part.title, _prose(part))
        clause = draft.add(part.anchor or f"C{len(draft.clauses) + 1}", ruling, part.title, _prose(part), part.line)  # fmt: skip
        for block in blocks(part.lines):
            for user in _USER.finditer(block):
                draft.give_example(clause, plain(user["text"]))


def _markdown(draft: Draft, parts: list[Part]) -> None:
    """Anything with headings: bullets below a heading that permits or forbids are clauses, other parts one each."""
    for part in parts:
        if _common(draft, part) or _PREFACE.search(part.title) or not part.text:
            continue
        _, sign = guess_ruling(part.title)
        found = paragraphs(part.lines)
        bullets = [plain(p[2:]) for p in found if p.startswith("- ") and not _is_example(p)]
        if sign and bullets:
            ruling = _ruling(draft, part, part.title)
            _tell_left_out(draft, part)
            for bullet in bullets:
                draft.add(f"C{len(draft.clauses) + 1}", ruling, _title(bullet), bullet, part.line)
        elif part.title:
            ruling = _ruling(draft, part, part.title, _prose(part))
            clause = draft.add(f"C{len(draft.clauses) + 1}", ruling, part.title, _prose(part), part.line)  # fmt: skip
            for p in found:
                for prompt in quoted(p) if _is_example(p) else ():
                    draft.give_example(clause, prompt)


def _ruling(draft: Draft, part: Part, *texts: str) -> Ruling:
    ruling, word = guess_ruling(*texts)
    why = f"for its word {word!r}" if word else "for want of a telling word"
    draft.guesses.append(f"line {part.line}: {part.title!r} rules {ruling}, {why}")
    return ruling


def _tell_left_out(draft: Draft, part: Part) -> None:
    """Says which text beside the bullets of a part became no clause."""
    for p in paragraphs(part.lines):
        if not p.startswith("- ") and not _is_example(p):
            draft.guesses.append(f"line {part.line}: left out below {part.title!r}, as it is no bullet: {plain(p)!r}")  # fmt: skip


def _is_example(paragraph: str) -> bool:
    text = paragraph.removeprefix("- ").lstrip("*_ ")
    return text[:1] in ('"', "“") or bool(re.match(r"(positive |negative )?(e\.g\.|example|for example)", text, re.IGNORECASE))  # fmt: skip


def _prose(part: Part) -> str:
    """The part's paragraphs and bullets, examples aside; a label of dalign's own is not read as one."""
    kept = [p for p in paragraphs(part.lines) if not _is_example(p)]
    lines = [f"- {plain(p[2:])}" if p.startswith("- ") else plain(p) for p in kept]
    shown = [re.sub(r"^- (\w+):", r"- \1 –", line).lstrip("#").strip() for line in lines]
    return "\n".join(line for line in shown if line)


def _title(text: str) -> str:
    """The first words of a rule."""
    head = re.split(r"[.;:–—(]", text, maxsplit=1)[0].split()
    return " ".join(head[:8]) or "Rule"


def _shortened(text: str) -> str:
    words = text.split()
    return text if len(words) <= 90 else " ".join(words[:90]) + " …"
