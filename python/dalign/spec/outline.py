"""A Markdown file as lines, sections and bullets, each with its place in the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dalign.errors import InputError
from dalign.spec.types import Place

MAX_BYTES = 10_000_000

_BOM = b"\xef\xbb\xbf"
_BULLET = re.compile(r"[-*+]\s+")


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
    """A paragraph or a bullet, unwrapped to one line of single spaces."""

    line: int
    bullet: bool
    text: str


@dataclass(frozen=True)
class Source:
    """A file of a policy folder, decoded. `name` is its path inside the folder."""

    path: Path
    name: str
    lines: tuple[Line, ...]

    def error(self, line: int, sentence: str) -> InputError:
        """The error at that line, to be raised."""
        return InputError(f"{self.path}:{line}: {sentence}")

    def place(self, section: Section) -> Place:
        """From the section's heading to its last line that is not blank."""
        ends = [line.end for line in section.lines if line.text.strip()]
        return Place(
            self.name,
            section.heading.number,
            section.heading.start,
            (ends or [section.heading.end])[-1],
        )

    @property
    def text(self) -> str:
        """The whole text, stripped."""
        return "\n".join(line.text for line in self.lines).strip()


def read_source(folder: Path, path: Path) -> Source:
    """The file's lines. Raises InputError when it lies outside the folder, is too large or is not UTF-8."""
    # A policy folder may come from others: a link in it must not pull in a file of this machine.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{path}: leads out of the policy folder (to {str(path.resolve())!r}); copy the file into the folder"
        )
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{path}: has {size:,} bytes, more than {MAX_BYTES:,}; a policy file is a few pages, so split it"
        )
    data = path.read_bytes()
    start = len(_BOM) if data.startswith(_BOM) else 0
    lines = []
    for number, raw in enumerate(data[start:].split(b"\n"), 1):
        try:
            text = raw.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            bad = raw[error.start : error.start + 1]
            raise InputError(
                f"{path}:{number}: not UTF-8 ({bad!r} at byte {start + error.start}); save it as UTF-8"
            ) from error
        lines.append(Line(number, start, start + len(text.encode()), text))
        start += len(raw) + 1
    return Source(path, path.relative_to(folder).as_posix(), tuple(lines))


def sections(lines: Sequence[Line], level: int) -> tuple[tuple[Line, ...], list[Section]]:
    """What stands before the first heading of that level, and the sections of that level."""
    mark = "#" * level + " "
    starts = [i for i, line in enumerate(lines) if line.text.startswith(mark)]
    found = []
    for i, end in zip(starts, [*starts, len(lines)][1:], strict=True):
        found.append(Section(lines[i], lines[i].text[level:].strip(), tuple(lines[i + 1 : end])))
    return tuple(lines[: starts[0]] if starts else lines), found


def items(lines: Sequence[Line]) -> list[Item]:
    """The paragraphs and bullets, in order. An indented line after a bullet belongs to it."""
    found: list[Item] = []
    blank = True
    for line in lines:
        text = " ".join(line.text.split())
        indented = line.text[:1].isspace()
        mark = None if indented else _BULLET.match(line.text)
        if not text:
            blank = True
            continue
        if mark:
            found.append(Item(line.number, True, " ".join(line.text[mark.end() :].split())))
        elif found and (not blank or (indented and found[-1].bullet)):
            last = found.pop()
            found.append(Item(last.line, last.bullet, f"{last.text} {text}"))
        else:
            found.append(Item(line.number, False, text))
        blank = False
    return found
