"""A document of any form as a flat list of what stands on its lines: headings, bullets, paragraphs, rows of tables, blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from dalign.spec.imports.document import heading, plain
from dalign.spec.imports.labels import label, leading_label

_FENCE = re.compile(r"\s*(?:```|~~~)")
_BULLET = re.compile(
    r"(?P<indent>\s*)(?:[-*+•]|\d{1,3}[.)]|\(\d{1,3}\)|[a-z][.)])\s+(?P<text>\S.*)"
)
_ROW = re.compile(r"\s*\|(?P<cells>.+)\|\s*$")
_RULE_OF_ROW = re.compile(r"[\s|:+-]+$")
_RULER = re.compile(r"\s*(?:[-=*_]\s*){3,}$")
# SP0, SP2.a, HS-3, Rule 4, § 2.1: what names a rule.
CODE = r"(?:[A-Z]{1,6}-?\d+(?:\.?[a-z0-9]+|-[a-z0-9]+)*|(?:Rule|Section|Clause|Article|RULE|SECTION|§)\s?\d+(?:\.\d+)*[a-z]?|\d+\.\d+(?:\.\d+)*)"  # fmt: skip
_STARTS_CODED = re.compile(rf"[\[(*_`#\s]*(?P<code>{CODE})(?=[\s\])*_`.:;,|–—-])")
FIELD = re.compile(
    r"\*{0,2}_?(?P<name>includes?|including|covers|also covers|excludes?|excluding|not covered|does not cover|exceptions?|except|severity|ruling|verdict|action|decision|outcome|rule|text|description|policy|guidance|commentary|rationale|notes?|reason|comment|"
    r"(?:(?P<side>[A-Za-z'’ -]{2,24}?) )?examples?(?: \((?P<side2>[^)]{2,24})\))?|e\.g\.|for example|manner|tone|style|voice|title|topic|id|code|rule id|key)_?\*{0,2}\s*[:=–—]\s*\*{0,2}\s*(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_NAMED = re.compile(r"[A-Z][\w ]{1,20}:\s+\S")
_SECTION = re.compile(r"(?:terms|definitions|glossary|words we use|what we mean(?: by.*)?|manner|tone|style|voice|tone of voice|examples|rules|purpose|scope|goal|overview|summary|background|introduction)\s*:?$", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One of them. `level`: of a heading, from 1; of a bullet, its indentation. `cells` are those of a row."""

    kind: Literal["heading", "bullet", "text", "row", "block"]
    line: int
    text: str
    level: int = 0
    anchor: str = ""
    # Whether it follows on the line before it.
    joined: bool = False
    cells: tuple[str, ...] = ()


def items_of(text: str) -> list[Item]:
    """The items in the document's order. Lines that belong together are one item, unless a later one begins a rule, a label or a field."""
    found: list[Item] = []
    lines = text.splitlines()
    at, blank = _body(lines), True
    while at < len(lines):
        line = lines[at]
        if _FENCE.match(line):
            end = next((n for n in range(at + 1, len(lines)) if _FENCE.match(lines[n])), len(lines))
            found.append(Item("block", at + 1, "\n".join(lines[at + 1 : end])))
            at, blank = end + 1, True
            continue
        below = lines[at + 1] if at + 1 < len(lines) else ""
        if item := _item(line, below, at + 1):
            found.append(item)
            # The line of = or - below a heading is part of it.
            at += item.kind == "heading" and bool(_RULER.match(below)) and bool(below.strip())
            blank = item.kind == "heading"
        elif (
            not line.strip()
            or _RULER.match(line)
            or (line.count("|") > 1 and _RULE_OF_ROW.match(line))
        ):
            blank = True
        elif not blank and found and found[-1].kind in ("text", "bullet") and not opens(line):
            found[-1] = replace(found[-1], text=f"{found[-1].text} {line.strip()}")
        else:
            found.append(Item("text", at + 1, line.strip(), joined=not blank))
            blank = False
        at += 1
    return found


def _body(lines: list[str]) -> int:
    """Where the text begins, behind front matter."""
    if lines and lines[0].strip() == "---":
        return next((n + 1 for n in range(1, len(lines)) if lines[n].strip() == "---"), 0)
    return 0


def _item(line: str, below: str, number: int) -> Item | None:
    """What the line alone is; None for a line of a paragraph and for an empty one."""
    if match := _ROW.match(line):
        if _RULE_OF_ROW.match(line):
            return None
        cells = tuple(cell.strip() for cell in match["cells"].replace("\\|", "¦").split("|"))
        return Item("row", number, line.strip(), cells=cells)
    if found := heading(line, below):
        level, title, anchor = found
        return Item("heading", number, title, level, anchor)
    if match := _BULLET.match(line):
        return Item("bullet", number, match["text"].strip(), len(match["indent"].expandtabs(4)))
    bare = line.strip()
    # A line of capitals, or the name of a section, heads what follows in a text without marks.
    if _SECTION.match(plain(bare)) or (
        bare.isupper() and len(bare) > 3 and len(bare.split()) <= 6 and not label(bare) and bare[-1] not in ".!?\"”" and not FIELD.match(bare) and not _STARTS_CODED.match(bare)
    ):  # fmt: skip
        return Item("heading", number, plain(bare).rstrip(":"), 5)
    return None


def code_at(text: str) -> tuple[str, str] | None:
    """The code that a text begins with, and what follows it."""
    match = _STARTS_CODED.match(text)
    if match is None:
        return None
    return match["code"], text[match.end() :].lstrip(" \t.:;,)]*_`|–—-")


def opens(line: str) -> bool:
    """Whether a line inside a paragraph begins something of its own."""
    bare = line.strip()
    return bool(
        code_at(f"{bare} ")
        or FIELD.match(bare)
        or label(bare)
        or leading_label(bare)
        or bare[:1] in '"“'
        or _NAMED.match(bare)
    )
