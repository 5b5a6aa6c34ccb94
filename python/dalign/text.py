"""Text that was written by others: made fit to be shown, to be stored, and to be quoted in a sentence."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator

# Controls, formats (bidi overrides, zero widths, soft hyphens), surrogates, private use, unassigned,
# line and paragraph separators: a reader would not see them, or see something else because of them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, symbols and marks that draw nothing: Hangul fillers, the blanks of Braille, hieroglyphs and notes,
# the grapheme joiner, vowels and separators that Unicode itself ignores, variation selectors.
_BLANK = frozenset(
    [
        *(0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x13441, 0x13442, 0x1D159),
        *(0x034F, 0x17B4, 0x17B5),
        *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
    ]
)
_ZERO_WIDTH = "\u200b"
# What is written for a hyphen (soft, unbreakable, of other widths; dashes and the minus sign), and between its letters.
_HYPHENS = dict.fromkeys(
    map(ord, "\u00ad\u2010\u2011\u2012\u2013\u2043\u2212\ufe58\ufe63\uff0d"), "-"
)
_SPELT = _HYPHENS | dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class _Table(dict[int, str]):
    """How each character is shown, found out once; `as_json`: by escapes that JSON knows."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in "\n\t" or not _is_hidden(character):
            shown = character
        elif self._as_json:
            shown = json.dumps(character)[1:-1]
        else:
            shown = f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
        self[code] = shown
        return shown


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN or ord(character) in _BLANK


_SHOWN, _SHOWN_IN_JSON = _Table(as_json=False), _Table(as_json=True)


def visible(text: str) -> str:
    r"""The text with characters that cannot be seen, or that steer, written as \uXXXX or \UXXXXXXXX.

    Line feeds and tabs stay. What comes back has a UTF-8 form, and no terminal or page obeys it.
    """
    return text.translate(_SHOWN)


def one_line(text: str) -> str:
    """`visible`, on one line: a line feed is an escape too, so that no text passes for a line of its own."""
    return visible(text).replace("\n", "\\u000a")


def hidden(text: str) -> Iterator[tuple[int, str]]:
    """The characters of a text that `visible` escapes: the place of the first of each, and the character."""
    if text.isascii() and text.isprintable():
        return
    for character in dict.fromkeys(text):
        if _SHOWN[ord(character)] != character:
            yield text.index(character), character


def visible_json(value: object, *, indent: int | None = None) -> str:
    """The value as JSON whose texts read back as they were; inside them `visible`'s characters are escapes."""
    return json.dumps(value, ensure_ascii=False, indent=indent).translate(_SHOWN_IN_JSON)


def storable(text: str) -> str:
    """The text with what no file can hold (half a surrogate pair, NUL) as U+FFFD, the replacement character."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def spelt_plainly(text: str) -> str:
    """The text for looking up names in it: every kind of hyphen is `-`, and what has no width is left out."""
    return text if text.isascii() else text.translate(_SPELT)


def short(text: str, most: int = 60) -> str:
    """The text, cut to `most` characters where it is too long for a sentence or a figure."""
    return text if len(text) <= most else text[: most - 1] + "…"


def escape_control(text: str, control_tokens: Iterable[str]) -> str:
    """`text` with each control token broken by a zero-width space, so that it is text again."""
    for token in control_tokens:
        if token:
            text = text.replace(token, token[0] + _ZERO_WIDTH + token[1:])
    return text
