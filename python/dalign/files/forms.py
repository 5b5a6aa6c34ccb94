"""Rows of other forms as lines of JSON: of a JSON array, of CSV, of Parquet; each as it is read, in bounded memory."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import polars as pl

from dalign.errors import InputError
from dalign.panics import PanicError, held_panics
from dalign.parsing import MOST_ROW_BYTES

_PARQUET_ROWS = 256
_SPACE = re.compile(r"[ \t\r\n]*")
_QUOTED = re.compile(r'"[^"]*"')
# As spreadsheets tell what stands between cells, on a line before the head.
_SEPARATOR = re.compile(r"(?i)sep=([,;\t])\s*")
# Before the head of a CSV file: what says something of the file.
_COMMENT = re.compile(r"#(?![A-Za-z0-9_\"'])")


def _json_line(row: object) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Around what reads a Parquet file of the user's: what fails in it is the file's fault."""
    try:
        with held_panics():
            yield
    except (pl.exceptions.PolarsError, OSError, PanicError) as error:
        reason = str(error).strip().split("\n")[0]
        what = f"cannot be read as Parquet ({reason}); write the file again"
        raise InputError.in_file(path, what, kind="unreadable_file") from error


def parquet_lines(path: Path) -> Iterator[bytes]:
    with reading_parquet(path):
        scan = pl.scan_parquet(path)
        height = scan.select(pl.len()).collect().item()
    for first in range(0, height, _PARQUET_ROWS):
        with reading_parquet(path):
            table = scan.slice(first, _PARQUET_ROWS).collect()
        for row in table.iter_rows(named=True):
            yield _json_line(row)


def _texts(path: Path, unpacked: Iterable[bytes]) -> Iterator[str]:
    """The bytes as text, without a byte order mark."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line = 1
    for block in chain(unpacked, [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            bad = error.object[error.start : error.start + 1]
            what = f"not UTF-8 ({bad!r}); save the file as UTF-8"
            raise InputError.in_file(path, what, kind="encoding", line=line) from error
        line += text.count("\n")
        yield text


def csv_lines(path: Path, unpacked: Iterable[bytes]) -> Iterator[bytes]:
    """The rows of a CSV file under the names of its head, each value a text."""
    lines = _lines_of(_texts(path, unpacked))
    before, head_line, sign = _before_head(
        lines, "\t" if ".tsv" in map(str.lower, path.suffixes) else ""
    )
    csv.field_size_limit(MOST_ROW_BYTES)
    reader = csv.reader(chain([head_line], lines), delimiter=sign, strict=True)
    head: Sequence[str] = ()
    told = done = 0
    try:
        for cells in reader:
            line, done = before + done + 1, reader.line_num
            if not head:
                head = _head(path, line, cells)
            elif cells:
                if len(cells) != len(head):
                    what = f"has {len(cells)} cells, and the head {len(head)}; mend the row, or quote what holds a {sign!r}"
                    raise InputError.in_file(path, what, kind="bad_row", line=line)
                yield b"\n" * (line - told - 1) + _json_line(dict(zip(head, cells, strict=True)))
                told = line
    except csv.Error as error:
        what = f"not CSV ({error}); look for a quote that is not closed"
        raise InputError.in_file(path, what, kind="syntax", line=before + done + 1) from error


def _before_head(lines: Iterator[str], sign: str) -> tuple[int, str, str]:
    """How many lines stand before the head, the head, and what stands between its names.

    sign: what that is, unless a line says it; empty: what is most often there, not within a name.
    """
    before, head_line = 0, ""
    for head_line in lines:
        if said := _SEPARATOR.fullmatch(head_line):
            sign = said[1]
        elif not _COMMENT.match(head_line) and head_line.strip():
            break
        before += 1
    names = _QUOTED.sub("", head_line)
    return before, head_line, sign or max((",", ";", "\t"), key=names.count)


def _lines_of(texts: Iterable[str]) -> Iterator[str]:
    """Lines as the reader of CSV counts them: a vertical tab or another separator of lines is none in a cell."""
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        yield from (f"{line}\n" for line in lines)
        if len(rest) > MOST_ROW_BYTES:
            yield rest
            rest = ""
    if rest:
        yield rest


def _head(path: Path, line: int, cells: Sequence[str]) -> Sequence[str]:
    names = [cell.strip() for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        what = f"column {twice!r} stands twice in the head; give one of the two another name"
        raise InputError.in_file(path, what, kind="repeated", line=line, value=twice)
    return names


class _Text:
    """Text that is read on where it ends."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = iter(texts)
        self.text, self.at = "", 0

    def more(self) -> bool:
        """Reads as much again as is left; false at the end."""
        parts, length = [self.text[self.at :]], 0
        for part in self._texts:
            parts.append(part)
            length += len(part)
            if length > len(parts[0]):
                break
        self.text, self.at = "".join(parts), 0
        return length > 0

    def sign(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""


def array_lines(path: Path, unpacked: Iterable[bytes]) -> Iterator[bytes]:
    """The objects of a JSON array as lines."""
    source = _Text(_texts(path, unpacked))
    source.sign()
    row, decode = 0, json.JSONDecoder().raw_decode

    def refuse(what: str, kind: str = "syntax") -> InputError:
        return InputError(f"{path}: row {row}: {what}", kind=kind, path=path, row=row)

    source.at += 1
    ended = source.sign() == "]"
    while not ended:
        if source.sign() != "{":
            begins = source.text[source.at : source.at + 20]
            what = f"not a JSON object ({begins!r})" if begins else "the list ends before it"
            raise refuse(f"{what}; write a list of objects, or copy the file again")
        yield _element(source, decode, refuse)
        ended, row = source.sign() == "]", row + 1
        if not ended and source.sign() != ",":
            raise refuse("no comma before it, and no end of the list; copy the file again")
        source.at += not ended
    source.at += 1
    if source.sign():
        raise refuse("more text after the end of the list; remove it")


def _element(
    source: _Text,
    decode: Callable[[str, int], tuple[object, int]],
    refuse: Callable[..., InputError],
) -> bytes:
    """The object that the text goes on with, on one line."""
    while True:
        try:
            _, end = decode(source.text, source.at)
            break
        except RecursionError as error:
            raise refuse("nested too deep to be read; a few levels are usual") from error
        except json.JSONDecodeError as error:
            if len(source.text) - source.at > MOST_ROW_BYTES:
                what = f"longer than {MOST_ROW_BYTES:,} bytes, or not JSON ({error.msg}); split it"
                raise refuse(what, "row_too_large") from error
            if not source.more():
                raise refuse(f"not JSON ({error.msg}); mend it, or copy the file again") from error
        except ValueError as error:
            raise refuse("holds a number that cannot be read; shorten it") from error
    text = source.text[source.at : end]
    source.at = end
    # Line ends stand between values alone: within a text they are written as escapes.
    return text.replace("\n", " ").replace("\r", " ").encode() + b"\n"
