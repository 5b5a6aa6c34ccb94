"""What is common to Markdown documents of any form: headings, emphasis, quotations, terms."""

from __future__ import annotations

import re

_ATX = re.compile(r"\s{0,3}(?P<marks>#{1,6})\s+(?P<title>.+?)\s*#*\s*$")
# What may follow a heading in braces: an anchor, as in #name, and attributes.
_ATTRIBUTES = re.compile(r"\s*\{(?P<body>[^{}]*)\}\s*$")
_RULER = re.compile(r"(?:=+|-{3,})\s*$")
_BULLET = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+")
_ALONE = re.compile(r"\*\*(?P<title>[^*]{2,80}?):?\*\*:?\s*$")
_TERM = re.compile(r"[*_\"“]{0,2}(?P<term>[^*:–—\"“”]{2,60}?)[*_\"”]{0,2}\s*(?::\**|–|—|\s-\s|=|\bmeans\b|\bis (?=an? |any|the |what|who))\s*(?P<text>.+)", re.DOTALL)  # fmt: skip
_SYMBOLS = re.compile("[\U0001f300-\U0001faff\u2190-\u2bff\ufe0f]+")


def heading(line: str, below: str) -> tuple[int, str, str] | None:
    """Level, title and anchor of a heading; None for another line. Signs such as a tick stay in the title."""
    match = _ATX.match(line)
    if match:
        title, level = match["title"], len(match["marks"])
    elif line.strip() and _RULER.match(below) and not _BULLET.match(line) and "|" not in line:
        # A line of = or - below a line makes it a heading.
        title, level = line.strip(), 1 if below.startswith("=") else 2
    elif alone := _ALONE.match(line):
        # A line in bold alone is what many write for a heading.
        title, level = alone["title"], 6
    else:
        return None
    attributes = _ATTRIBUTES.search(title)
    if attributes is None:
        return level, unmarked(title), ""
    named = re.search(r"#([\w-]+)", attributes["body"])
    return level, unmarked(title[: attributes.start()]), named[1] if named else ""


def unmarked(text: str) -> str:
    """The text on one line, without marks of emphasis, links and pictures."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(?<!\w)(\*{1,3}|_{1,2}|`)(?=\S)(.+?)(?<=\S)\1(?!\w)", r"\2", text)
    return " ".join(text.replace("**", "").split())


def plain(text: str) -> str:
    """The same without signs and pictograms."""
    return unmarked(_SYMBOLS.sub("", text))


def term_of(paragraph: str) -> tuple[str, str] | None:
    """Term and meaning of a paragraph such as '**spam**: …'; None for other text."""
    match = _TERM.match(paragraph)
    return (plain(match["term"]), plain(match["text"])) if match else None


def quoted(text: str) -> list[str]:
    """What stands between double quotes."""
    return [plain(each) for each in re.findall(r"[\"“]([^\"“”]{3,})[\"”]", text)]


def sentences(text: str) -> list[str]:
    """The sentences of a text on one line."""
    return [each for each in re.split(r"(?<=[.!?])[\"”’)]*\s+(?=[^a-z\s])", text.strip()) if each]
