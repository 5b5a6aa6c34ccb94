"""Reads a policy of any form: what a heading, a label or a field says holds for what stands below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dalign.spec.imports.document import plain, quoted, sentences, term_of
from dalign.spec.imports.draft import Draft, Rule
from dalign.spec.imports.items import CODE, FIELD, Item, code_at
from dalign.spec.imports.labels import (  # fmt: skip
    Said,
    cued,
    heading_label,
    label,
    leading_label,
    trailing_label,
)
from dalign.spec.imports.memo import LETTER, read_memo
from dalign.spec.imports.pieces import clean, severity_in, side_of, take_in, title_of
from dalign.spec.imports.table import Table
from dalign.spec.types import Ruling

Role = Literal["", "definitions", "style", "examples", "summary", "apart", "includes", "excludes"]
_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("definitions", re.compile(r"\b(?:definitions?|terms|glossary|key concepts|vocabulary)\b|^(?:what we mean|words we use|how we use words)", re.IGNORECASE)),
    ("style", re.compile(r"\b(?:style|manners?|tone|voice|phrasing|wording)\b|^how (?:to|we|the assistant|you) (?:should )?(?:respond|answer|reply|speak|say|sound|write|refuse|decline)", re.IGNORECASE)),
    ("examples", re.compile(r"\bexamples?\b|^(?:worked )?illustrations?$", re.IGNORECASE)),
    ("includes", re.compile(r"^(?:includes?|including|also covers|covers)$", re.IGNORECASE)),
    ("excludes", re.compile(r"^(?:excludes?|exceptions?|not covered|does not cover)$", re.IGNORECASE)),
    ("summary", re.compile(r"^(?:\d+[.)]? )?(?:overview|introduction|about\b.*|purpose|goals?|aims?|scope|summary|background|preamble|why.*)$", re.IGNORECASE)),
    ("apart", re.compile(r"\b(?:changelog|revision|version|history|output|format|instructions?|contacts?|owners?|references)\b", re.IGNORECASE)),
)  # fmt: skip
_LABELLED = re.compile(rf"(?:label|answer|verdict|output|expected|ruling|code|→|->|=>|under|by)\W{{0,4}}(?P<label>{CODE})\b", re.IGNORECASE)  # fmt: skip
_USER = re.compile(r"<user[^>]*>(?P<text>.*?)</user>", re.DOTALL)
_GOAL = re.compile(r"\*{0,2}goal\*{0,2}\s*:\*{0,2}\s*(?P<text>.+)", re.IGNORECASE | re.DOTALL)
_OF_RULING: tuple[tuple[Ruling, re.Pattern[str]], ...] = (
    ("refuse", re.compile(r"\b(?:refus\w+|declin\w+|saying no)\b", re.IGNORECASE)),
    ("safe-complete", re.compile(r"\b(?:safe[- ]complet\w+|borderline|general terms)\b", re.IGNORECASE)),
    ("comply", re.compile(r"\bwhen (?:you |we |it )?(?:help|answer|comply)\w*", re.IGNORECASE)),
)  # fmt: skip
# Of fields: what explains a rule and is none.
_APART = ("commentary", "rationale", "note", "notes", "reason", "comment")
# Levels of headings begin at 1; a line that is a label alone stands below all of them.
_LABEL_LEVEL = 9


@dataclass
class _Frame:
    """A heading that holds for what stands below it."""

    level: int
    role: Role
    tier: Said | None
    rule: Rule | None = None
    # Whether it says a ruling or heads a rule: what it stands below does not give it a role.
    own: bool = False


class Reader:
    """Walks the items. codes, anchors: whether codes and anchors name rules."""

    def __init__(self, items: Sequence[Item], *, codes: bool, anchors: bool) -> None:
        self.items, self.codes, self.anchors = items, codes, anchors
        self.draft = Draft()
        self.frames: list[_Frame] = []
        self.rule: Rule | None = None
        # Where the bullets below a field such as 'Includes:' go, and the ruling of labelled examples.
        self.into: Role = ""
        self.side: Said | None = None
        self.table: Table | None = None
        self.after = _labels_follow(items)

    def read(self) -> Draft:
        """What the document says."""
        items = list(self.items)
        if items and _heads(items[0]) and not any(item.level == 1 for item in items):
            self.draft.title = plain(items.pop(0).text)
        for item in items:
            if item.kind != "row":
                self.table = None
            {"heading": self._heading, "bullet": self._text, "text": self._text, "row": self._row, "block": self._block}[item.kind](item)  # fmt: skip
        read_memo(self.draft)
        return self.draft

    # Headings

    def _heading(self, item: Item) -> None:
        title, said = item.text, heading_label(item.text)
        if item.level == 6 and label(title):
            # A label in bold alone is one for the rule beside it.
            return self._label_alone(item, Said(said.ruling, said.words) if said else None)
        self.frames = [frame for frame in self.frames if frame.level < item.level]
        if item.level < 6 or self._code(title):
            self.into, self.side = "", None
        code = self._code(title)
        role: Role = (
            "" if code else next((r for r, pattern in _ROLES if pattern.search(plain(title))), "")
        )
        if not self.draft.title and item.level <= 2 and not (said or code or role or item.anchor):
            self.draft.title = plain(title)
            self.frames.append(_Frame(item.level, "summary", None))
            self.rule = None
            return None
        if role in ("includes", "excludes", "examples") and self.rule:
            self.into, self.side = role, said
            return None
        frame = _Frame(item.level, role, said or self._tier(), own=not role and bool(said or code))
        self.frames.append(frame)
        self.rule = None
        if role == "apart" and said is None and item.anchor == "":
            return None
        if code or (role == "" and (said is None or label(_bare(title)) is None)):
            frame.rule = self.rule = self._open_heading(item, code, said)
            frame.own = True
        return None

    def _open_heading(self, item: Item, code: tuple[str, str] | None, said: Said | None) -> Rule:
        key, title = code or (item.anchor if self.anchors else "", item.text)
        inherited = self._tier(below_last=True)
        rule = Rule(key, title_of(_bare(title) or title), item.line, item.text, inherited, said)
        rule.severity = severity_in(item.text)
        # It is no rule before something stands below it.
        rule.anonymous = code is None
        return self.draft.open(rule)

    def _tier(self, *, below_last: bool = False) -> Said | None:
        frames = self.frames[:-1] if below_last else self.frames
        return next((frame.tier for frame in reversed(frames) if frame.tier), None)

    def _role(self) -> Role:
        for nth, frame in enumerate(reversed(self.frames)):
            if frame.own or (nth and frame.role == "summary"):
                return ""
            if frame.role:
                return frame.role
        return ""

    def _code(self, text: str) -> tuple[str, str] | None:
        """The code that a text begins with, or that stands in brackets behind a heading's words."""
        if not self.codes:
            return None
        if found := code_at(f"{text} "):
            return found
        match = re.search(rf"\(#?(?P<code>{CODE})\b[^)]*\)", text)
        return (match["code"], text[: match.start()] + text[match.end() :]) if match else None

    # Text

    def _text(self, item: Item) -> None:
        text, said = item.text, label(item.text)
        if said is not None:
            return self._label_alone(item, said)
        role = self._role()
        if self._field(item):
            return None
        coded = self._coded(text)
        if (
            role in ("definitions", "style", "apart", "summary", "examples")
            and not coded
            and not self.into
        ):
            return self._section(item, role)
        if coded:
            return self._open_coded(item, *coded)
        if self.into == "examples" or (
            quoted(text[:1] + text[1:]) and text.lstrip("*_- ")[:1] in '"“'
        ):
            return self._example(text, item.line)
        if item.kind == "bullet" and self.into in ("includes", "excludes") and self.rule:
            getattr(self.rule, self.into).append(clean(text))
            return None
        if item.kind == "text":
            self.into = ""
        return self._prose(item)

    def _coded(self, text: str) -> tuple[str, str, Said | None] | None:
        """Code, the rest, and a label that stands before the code."""
        if not self.codes:
            return None
        said = None
        if (led := leading_label(text)) and code_at(led[1]):
            said, text = led
        found = code_at(text)
        if found is None and re.fullmatch(rf"[\[(*_`]*{CODE}[\])*_`.:]*", text):
            # A code alone on its line.
            found = code_at(f"{text} ")
            return (*found, said) if found else None
        return (*found, said) if found and (found[1] or said) else None

    def _label_alone(self, item: Item, said: Said | None) -> None:
        """A label on a line of its own: of the rule before it, or of what follows."""
        if said is None:
            return
        if self.rule is not None and (
            self.after == "each" or (self.after == "some" and item.joined)
        ):
            self.rule.label(said)
            return
        if self.after == "some":
            # Of the rule before it or of those behind it? Nobody knows, so it says nothing.
            return
        self.frames = [frame for frame in self.frames if frame.level < _LABEL_LEVEL]
        self.frames.append(_Frame(_LABEL_LEVEL, "", said))
        self.rule, self.into = None, ""

    def _open_coded(self, item: Item, code: str, rest: str, said: Said | None) -> None:
        self._demote()
        self.into, self.side = "", None
        rule = Rule(code, "", item.line, item.text, self._tier())
        self.rule = self.draft.open(rule)
        if said:
            rule.label(said)
        if led := leading_label(rest):
            rule.label(led[0])
            rest = led[1]
        take_in(rule, rest, titled=True)

    def _demote(self) -> None:
        """A heading with coded rules below it is no rule, nor is the introduction below it."""
        for frame in self.frames:
            if frame.rule is not None and frame.rule in self.draft.rules:
                heading = frame.rule
                if frame.tier is None or heading.own:
                    frame.tier = heading.own or frame.tier
                self.draft.rules.remove(heading)
                frame.rule = None
        self.draft.rules = [rule for rule in self.draft.rules if not (rule.anonymous and rule is self.rule)]  # fmt: skip

    def _prose(self, item: Item) -> None:
        """A text that is none of the others: more of the rule above it, or a rule of its own."""
        text = item.text
        led, ends = leading_label(text), trailing_label(text)
        own = led or ends
        if led and self.rule and not self.rule.anonymous and quoted(led[1]):
            return self._example(text, item.line)
        if (
            self.rule
            and item.kind == "bullet"
            and own
            and self.rule.anonymous
            and not self.rule.texts
        ):
            self._demote()
            self.rule = None
        if self.rule is not None and not (
            self.rule.numbered and _alone(item, self.rule, self.frames)
        ):
            if led and not self.rule.own and not led[1]:
                self.rule.label(led[0])
            elif led:
                self.rule.label(led[0])
                take_in(self.rule, led[1])
            else:
                take_in(self.rule, f"- {text}" if item.kind == "bullet" else text)
            return None
        if text.endswith(":") and item.kind == "text":
            return None
        rule = self.draft.open(Rule("", "", item.line, item.text, self._tier()))
        if led:
            rule.label(led[0])
            text = led[1]
        rule.anonymous = item.kind == "text"
        take_in(rule, text)
        rule.title = title_of(" ".join(rule.texts))
        self.rule = rule
        return None

    # Sections and fields

    def _section(self, item: Item, role: Role) -> None:
        text = item.text
        if role == "definitions" and (found := term_of(text)):
            self.draft.definitions.setdefault(*found)
        elif role == "style":
            for sentence in [text] if item.kind == "bullet" else sentences(text):
                self.draft.style.append((clean(sentence), self._style_of(sentence)))
        elif role == "examples":
            self._example(text, item.line)
        elif role == "summary":
            goal = _GOAL.match(text)
            self.draft.summary.append(plain(goal["text"] if goal else text))
            self.draft.loose_examples.append(("summary", item.text, item.line))

    def _style_of(self, text: str) -> Ruling | None:
        """The ruling that a text on style speaks of: itself, or in its heading."""
        titled = self._tier()
        found = next((ruling for ruling, pattern in _OF_RULING if pattern.search(text)), None)
        return found or (titled.ruling if titled else None)

    def _field(self, item: Item) -> bool:
        """Takes in a line such as 'Includes: …' or 'Ruling: refuse'; False where it is none."""
        match = FIELD.match(item.text)
        if match is None:
            return False
        name, rest = match["name"].casefold(), match["rest"].strip()
        if name in ("manner", "tone", "style", "voice"):
            for sentence in sentences(rest):
                self.draft.style.append((clean(sentence), self._style_of(sentence)))
        elif name in ("id", "code", "rule id", "key") and (found := code_at(f"{rest} ")):
            self._open_coded(item, found[0], found[1], None)
        elif self.rule is None:
            return False
        elif name in _APART:
            # Told of as what reached no unit.
            self.into = ""
        elif name in ("rule", "text", "description", "policy", "guidance"):
            take_in(self.rule, rest)
        elif name == "severity":
            self.rule.severity = severity_in(f"severity {rest}")
        elif name in ("title", "topic"):
            self.rule.title = title_of(plain(rest))
        elif name in ("ruling", "verdict", "action", "decision", "outcome"):
            _say_ruling(self.rule, rest)
        elif name.startswith(("include", "excl", "excep", "cover", "also", "not ", "does not")):
            self.into = "includes" if name.startswith(("incl", "cover", "also")) else "excludes"
            if rest:
                getattr(self.rule, self.into).append(clean(rest))
        else:
            said = label(match["side"] or match["side2"] or "")
            self.into, self.side = "examples", said
            if rest:
                self._example(rest, item.line)
        return True

    def _ruling_field(self, rest: str) -> None:
        """What is said of a rule's ruling; what is no label is prose, and decides by its words alone."""
        if self.rule is None:
            return
        if said := label(rest):
            self.rule.label(said)
        elif led := leading_label(rest):
            self.rule.label(led[0])
            take_in(self.rule, led[1])
        elif rest:
            self.rule.unclear = rest
            take_in(self.rule, rest)

    def _example(self, text: str, line: int) -> None:
        """Prompts for a rule: the one that a label names, else the one at hand; on the side that a label gives them."""
        coded = _LABELLED.search(text)
        rule = self.draft.rule_of(coded["label"]) if coded else self.rule
        rule = rule or self.rule
        side = side_of(text) or self.side
        for prompt in quoted(text):
            if rule is not None:
                rule.examples.append((prompt, side if coded is None else None))
            else:
                self.draft.loose_examples.append(("example", prompt, line))
        if coded and not quoted(text):
            # "Example 1 (Label: SP3)" names the rule of the lines that follow.
            self.rule, self.into = rule, "examples"

    # Tables and blocks

    def _row(self, item: Item) -> None:
        if self.table is None:
            self.table = Table(item.cells)
            return
        if self._role() == "definitions" and len(item.cells) > 1:
            self.draft.definitions.setdefault(plain(item.cells[0]), plain(item.cells[1]))
            return
        for rule in self.table.rules(item, self._tier()):
            self._demote()
            self.rule = None
            self.draft.open(rule)

    def _block(self, item: Item) -> None:
        if self.rule is not None:
            users = [plain(match["text"]) for match in _USER.finditer(item.text)]
            self.rule.examples += [(user, None) for user in users]


def _alone(item: Item, rule: Rule | None, frames: Sequence[_Frame]) -> bool:
    """Whether a text below a tier is a rule of its own: one after another, none below a heading of its own."""
    heading = any(frame.rule is rule for frame in frames)
    return not heading and (item.kind == "text" or (item.kind == "bullet" and item.level == 0))


def _say_ruling(rule: Rule, rest: str) -> None:
    """Takes in what a field says of a rule's ruling; what is no label leaves it open."""
    if said := label(rest):
        rule.label(said)
    elif led := leading_label(rest):
        rule.label(led[0])
        take_in(rule, led[1])
    elif rest:
        rule.unclear = rest
        take_in(rule, rest)


def _labels_follow(items: Sequence[Item]) -> Literal["", "some", "each"]:
    """Whether labels on lines of their own stand behind their rules: behind each, behind some, or above them."""
    events = []
    for item in items:
        if item.kind in ("text", "bullet") or (item.kind == "heading" and item.level == 6):
            if label(item.text):
                events.append("label")
            elif code_at(item.text):
                events.append("rule")
        elif item.kind == "heading" and code_at(item.text):
            events.append("rule")
    if events[:1] != ["rule"] or "label" not in events:
        return ""
    return "each" if events == ["rule", "label"] * (len(events) // 2) else "some"


def _heads(item: Item) -> bool:
    """Whether a first line is the title of a text without headings."""
    bare = item.text.strip()
    ruled = (
        code_at(bare)
        or FIELD.match(bare)
        or leading_label(bare)
        or trailing_label(bare)
        or LETTER.match(bare)
    )
    return (
        item.kind == "text"
        and not ruled
        and len(bare.split()) <= 12
        and bare[-1:] not in ".!?:"
        and not cued([bare])[1]
    )


def _bare(title: str) -> str:
    """A heading without its code and what stands in brackets."""
    return re.sub(rf"\([^)]*\)|\[[^\]]*\]|#?{CODE}\b(?=[:.\s])", " ", title).strip(" #–—:-()|")
