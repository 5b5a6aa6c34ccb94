"""A Markdown file as lines, sections and bullets, each with its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from dalign.spec.findings import Finding, Reports, SourceError, raised
from dalign.spec.types import Place
from dalign.text import short

# A policy file is a few pages; a thousand clauses are one megabyte.
MAX_BYTES = 4_000_000

_BOM = b"\xef\xbb\xbf"
_BULLET = re.compile(r"[-*+](?:\s+|$)")
_HEADING = re.compile(r"#{1,6}(?:\s|$)")


@dataclass(frozen=True)
class Line:
    """A line without its newline: its number from 1 and its byte span."""

    number: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it. `lines` is the body, without the heading."""

    heading: Line
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Item:
    """A paragraph or a bullet, unwrapped to one line of single spaces; `last` is the line that it ends on."""

    first: Line
    last: Line
    bullet: bool
    text: str

    @property
    def line(self) -> int:
        """The number of its first line."""
        return self.first.number

    @property
    def prose(self) -> str:
        """Its text, a bullet with its mark."""
        return f"- {self.text}" if self.bullet else self.text


@dataclass(frozen=True)
class Source:
    """A file of a policy folder, decoded. `name` is its path inside the folder."""

    path: Path
    name: str
    lines: tuple[Line, ...]
    reports: Reports

    def report(self, line: int, kind: str, sentence: str, clause: str = "") -> None:
        """Tells of something to mend at that line; raises InputError where findings are not gathered."""
        self.reports(Finding(self.path, line, kind, sentence, clause))

    def unowned(self, lines: Iterable[Line], where: str) -> None:
        """Reports text that belongs to no unit; where: what is wrong with its place, and the way out."""
        for line in lines:
            if text := line.text.strip():
                self.report(line.number, "unowned-line", f"text ({short(text)!r}) stands {where}")

    def place(self, first: Line, lines: Sequence[Line]) -> Place:
        """From a line to the last of those that follow it and are not blank."""
        ends = [line.end for line in lines if line.text.strip()]
        return Place(self.name, first.number, first.start, ends[-1] if ends else first.end)

    @property
    def text(self) -> str:
        """The whole text, stripped."""
        return "\n".join(line.text for line in self.lines).strip()


def read_source(folder: Path, path: Path, reports: Reports = raised) -> Source:
    """The file's lines. Raises SourceError when it lies outside the folder, is too large, empty or not UTF-8."""

    def unreadable(what: str, line: int = 1) -> SourceError:
        return SourceError(Finding(path, line, "unreadable", what))

    # A policy folder may come from others: a link in it must not pull in a file of this machine.
    if not path.resolve().is_relative_to(folder.resolve()):
        where = f"leads out of the policy folder (to {str(path.resolve())!r})"
        raise unreadable(f"{where}; copy the file into the folder")
    if not path.is_file():
        raise unreadable("is a link to a file that is not there, or no file; copy the file into the folder")  # fmt: skip
    size = path.stat().st_size
    if size > MAX_BYTES:
        what = f"has {size:,} bytes, more than {MAX_BYTES:,}"
        raise unreadable(f"{what}; a policy file is a few pages, so split it")
    data = path.read_bytes()
    start = len(_BOM) if data.startswith(_BOM) else 0
    lines = []
    for number, raw in enumerate(data[start:].split(b"\n"), 1):
        try:
            text = raw.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            bad = raw[error.start : error.start + 1]
            what = f"not UTF-8 ({bad!r} at byte {start + error.start}); save it as UTF-8"
            raise unreadable(what, number) from error
        lines.append(Line(number, start, start + len(text.encode()), text))
        start += len(raw) + 1
    if path.suffix == ".md":
        lines = _without_comments(lines)
    return Source(path, path.relative_to(folder).as_posix(), tuple(lines), reports)


def _without_comments(lines: list[Line]) -> list[Line]:
    """The lines, empty where a comment of whole lines stands: it is for those who write the policy."""
    kept, at = list(lines), 0
    while at < len(lines):
        text = lines[at].text.strip()
        end = at
        if text.startswith("<!--"):
            while end < len(lines) and "-->" not in lines[end].text:
                end += 1
            # One that is not closed, or has text behind it, hides nothing.
            if end < len(lines) and lines[end].text.strip().endswith("-->"):
                for nth in range(at, end + 1):
                    kept[nth] = replace(lines[nth], text="")
        at = max(at, end if end < len(lines) else at) + 1
    return kept


def sections(lines: Sequence[Line], level: int) -> tuple[tuple[Line, ...], list[Section]]:
    """What stands before the first heading of that level, and the sections of that level."""
    mark = "#" * level + " "
    starts = [i for i, line in enumerate(lines) if line.text.startswith(mark)]
    found = [
        Section(lines[i], lines[i].text[level:].strip(), tuple(lines[i + 1 : end]))
        for i, end in pairwise([*starts, len(lines)])
    ]
    return tuple(lines[: starts[0]] if starts else lines), found


def items(source: Source, lines: Sequence[Line], owner: str) -> list[Item]:
    """The paragraphs and bullets, in order. An indented line after a bullet belongs to it.

    A heading among them owns nothing, and is reported. owner: what the lines belong to, in words.
    """
    found: list[Item] = []
    blank = True
    for line in lines:
        text = " ".join(line.text.split())
        if not text:
            blank = True
            continue
        if _HEADING.match(text):
            what = f"a heading ({short(text)!r}) inside {owner} owns nothing"
            source.report(line.number, "unowned-line", f"{what}; make it a sentence, or a bullet")
            continue
        after_bullet = bool(found) and found[-1].bullet
        indented = line.text[:1].isspace()
        mark = None if indented and after_bullet else _BULLET.match(text)
        if mark:
            found.append(Item(line, line, True, text[mark.end() :]))
        elif found and (not blank or (indented and after_bullet)):
            found[-1] = replace(found[-1], last=line, text=f"{found[-1].text} {text}".strip())
        else:
            found.append(Item(line, line, False, text))
        blank = False
    return found
