"""A Markdown document of any form as a list of headed parts, with what reads from them what is common to all forms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_ATX = re.compile(r"(?P<marks>#{1,6})\s+(?P<title>.+?)\s*#*\s*$")
# What may follow a heading in braces: an anchor, as in #name, and attributes.
_ATTRIBUTES = re.compile(r"\s*\{(?P<body>[^{}]*)\}\s*$")
_RULER = re.compile(r"(?:=+|-{3,})\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_ALONE = re.compile(r"\*\*(?P<title>[^*]{2,80}?):?\*\*:?\s*$")
_BULLET = re.compile(r"(?P<indent>\s*)(?:[-*+•]|\d+[.)])\s+(?P<text>.+)")
_TERM = re.compile(r"\*{0,2}(?P<term>[^*:–—]{2,60}?)\*{0,2}\s*(?::|–|—|\s-\s)\s*(?P<text>.+)")
_SYMBOLS = re.compile("[\U0001f300-\U0001faff\u2190-\u2bff\ufe0f]+")


@dataclass(frozen=True)
class Part:
    """A heading and what stands below it, down to the next heading. `line` is the heading's, from 1."""

    level: int
    title: str
    anchor: str
    line: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The body in one piece."""
        return "\n".join(self.lines).strip()


def parts_of(text: str) -> list[Part]:
    """The parts of a document, in its order. What stands before any heading has level 0 and no title."""
    found: list[Part] = []
    title, level, anchor, start = "", 0, "", 1
    body: list[str] = []
    fenced, ruled = False, False
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if ruled:
            ruled = False
            continue
        if _FENCE.match(line):
            fenced = not fenced
        below = lines[number] if number < len(lines) else ""
        heading = None if fenced else _heading(line, below)
        ruled = heading is not None and bool(_RULER.match(below))
        if heading is None:
            body.append(line)
            continue
        if title or any(each.strip() for each in body):
            found.append(Part(level, title, anchor, start, tuple(body)))
        (level, title, anchor), start, body = heading, number, []
    if title or any(each.strip() for each in body):
        found.append(Part(level, title, anchor, start, tuple(body)))
    return found


def _heading(line: str, below: str) -> tuple[int, str, str] | None:
    match = _ATX.match(line)
    if match:
        title, level = match["title"], len(match["marks"])
    elif line.strip() and _RULER.match(below) and not _BULLET.match(line):
        # A line of = or - below a line makes it a heading.
        title, level = line.strip(), 1 if below.startswith("=") else 2
    elif alone := _ALONE.match(line):
        # A line in bold alone is what many write for a heading.
        title, level = alone["title"], 6
    else:
        return None
    attributes = _ATTRIBUTES.search(title)
    anchor = ""
    if attributes:
        title = title[: attributes.start()]
        named = re.search(r"#([\w-]+)", attributes["body"])
        anchor = named[1] if named else ""
    return level, plain(title), anchor


def plain(text: str) -> str:
    """The text on one line, without marks of emphasis, links and pictures."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", _SYMBOLS.sub("", text))
    text = re.sub(r"(?<!\w)(\*{1,3}|_{1,2}|`)(?=\S)(.+?)(?<=\S)\1(?!\w)", r"\2", text)
    return " ".join(text.replace("**", "").split())


def paragraphs(lines: Sequence[str]) -> list[str]:
    """Paragraphs and bullets, a plain line each; bullets begin with '- '. Fenced blocks are left out."""
    found: list[str] = []
    blank, fenced = True, False
    for line in lines:
        if _FENCE.match(line):
            fenced, blank = not fenced, True
            continue
        bullet = _BULLET.match(line)
        if fenced or not line.strip() or _RULER.match(line):
            blank = True
        elif bullet:
            found.append(f"- {bullet['text']}")
            blank = False
        elif found and not blank:
            found[-1] = f"{found[-1]} {line.strip()}"
        else:
            found.append(line.strip())
            blank = False
    return found


def blocks(lines: Sequence[str]) -> Iterator[str]:
    """The fenced blocks."""
    body: list[str] | None = None
    for line in lines:
        if _FENCE.match(line):
            if body is not None:
                yield "\n".join(body)
            body = [] if body is None else None
        elif body is not None:
            body.append(line)


def term_of(paragraph: str) -> tuple[str, str] | None:
    """Term and meaning of a paragraph such as '- **spam**: …'; None for other text."""
    match = _TERM.match(paragraph.removeprefix("- "))
    return (plain(match["term"]), plain(match["text"])) if match else None


def quoted(text: str) -> list[str]:
    """What stands between double quotes."""
    return [plain(each) for each in re.findall(r"[\"“]([^\"“”]{3,})[\"”]", text)]
