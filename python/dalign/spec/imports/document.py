"""A Markdown document of any form as a list of headed parts, with what reads from them what is common to all forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_ATX = re.compile(r"(?P<marks>#{1,6})\s+(?P<title>.+?)\s*#*\s*$")
# What may follow a heading in braces: an anchor, as in #name, and attributes.
_ATTRIBUTES = re.compile(r"\s*\{(?P<body>[^{}]*)\}\s*$")
_RULER = re.compile(r"(?:=+|-{3,})\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_ALONE = re.compile(r"\*\*(?P<title>[^*]{2,80}?):?\*\*:?\s*$")
_BULLET = re.compile(r"(?P<indent>\s*)(?:[-*+•]|\d+[.)])\s+(?P<text>.+)")
_TERM = re.compile(r"\*{0,2}(?P<term>[^*:–—]{2,60}?)\*{0,2}\s*(?::|–|—|\s-\s)\s*(?P<text>.+)")
_SYMBOLS = re.compile("[\U0001f300-\U0001faff\u2190-\u2bff\ufe0f]+")
_EXAMPLE = re.compile(r"[*_ ]*(?:[\"“]|(?:positive |negative )?(?:e\.g\.|example|for example))", re.IGNORECASE)  # fmt: skip


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

    @cached_property
    def paragraphs(self) -> list[str]:
        """Paragraphs and bullets, a plain line each; bullets begin with '- '. Fenced blocks are left out."""
        found: list[str] = []
        blank, fenced = True, False
        for line in self.lines:
            fence = bool(_FENCE.match(line))
            fenced ^= fence
            if fence or fenced or not line.strip() or _RULER.match(line):
                blank = True
                continue
            if bullet := _BULLET.match(line):
                found.append(f"- {bullet['text']}")
            elif found and not blank:
                found[-1] = f"{found[-1]} {line.strip()}"
            else:
                found.append(line.strip())
            blank = False
        return found

    @property
    def rules(self) -> list[str]:
        """The paragraphs and bullets that are no examples."""
        return [p for p in self.paragraphs if not is_example(p)]

    @property
    def bullets(self) -> list[str]:
        """The bullets that are no examples, without their marks."""
        return [plain(p[2:]) for p in self.rules if p.startswith("- ")]

    @property
    def prose(self) -> str:
        """The paragraphs and bullets that are no examples; a label of dalign's own is not read as one."""
        lines = [f"- {plain(p[2:])}" if p.startswith("- ") else plain(p) for p in self.rules]
        shown = [re.sub(r"^- (\w+):", r"- \1 –", line).lstrip("#").strip() for line in lines]
        return "\n".join(line for line in shown if line)

    @property
    def examples(self) -> list[str]:
        """The prompts that its examples quote."""
        return [prompt for p in self.paragraphs if is_example(p) for prompt in quoted(p)]

    @property
    def blocks(self) -> Iterator[str]:
        """The fenced blocks."""
        body: list[str] | None = None
        for line in self.lines:
            if _FENCE.match(line):
                if body is not None:
                    yield "\n".join(body)
                body = [] if body is None else None
            elif body is not None:
                body.append(line)


def parts_of(text: str) -> list[Part]:
    """The parts of a document, in its order. What stands before any heading has level 0 and no title."""
    heads: list[tuple[int, str, str, int]] = [(0, "", "", 1)]
    bodies: list[list[str]] = [[]]
    fenced, ruled = False, False
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if ruled:
            ruled = False
            continue
        fenced ^= bool(_FENCE.match(line))
        below = lines[number] if number < len(lines) else ""
        heading = None if fenced else _heading(line, below)
        if heading is None:
            bodies[-1].append(line)
            continue
        ruled = bool(_RULER.match(below))
        heads.append((*heading, number))
        bodies.append([])
    parts = [Part(*head, tuple(body)) for head, body in zip(heads, bodies, strict=True)]
    return [part for part in parts if part.title or part.text]


def _heading(line: str, below: str) -> tuple[int, str, str] | None:
    """Level, title and anchor."""
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
    if attributes is None:
        return level, plain(title), ""
    named = re.search(r"#([\w-]+)", attributes["body"])
    return level, plain(title[: attributes.start()]), named[1] if named else ""


def plain(text: str) -> str:
    """The text on one line, without marks of emphasis, links and pictures."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", _SYMBOLS.sub("", text))
    text = re.sub(r"(?<!\w)(\*{1,3}|_{1,2}|`)(?=\S)(.+?)(?<=\S)\1(?!\w)", r"\2", text)
    return " ".join(text.replace("**", "").split())


def is_example(paragraph: str) -> bool:
    """Whether a paragraph or bullet starts as an example does: with a quotation, or by saying so."""
    return bool(_EXAMPLE.match(paragraph.removeprefix("- ")))


def term_of(paragraph: str) -> tuple[str, str] | None:
    """Term and meaning of a paragraph such as '- **spam**: …'; None for other text."""
    match = _TERM.match(paragraph.removeprefix("- "))
    return (plain(match["term"]), plain(match["text"])) if match else None


def quoted(text: str) -> list[str]:
    """What stands between double quotes."""
    return [plain(each) for each in re.findall(r"[\"“]([^\"“”]{3,})[\"”]", text)]
