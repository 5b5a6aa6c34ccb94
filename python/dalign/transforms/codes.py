"""Codes that a text can be put in, each with what reads it back where that can be done."""

from __future__ import annotations

import base64
import codecs
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

Change = Callable[[str], str]


class Code(NamedTuple):
    """A way to write texts. title: as a message says it.

    decode: reads it back, None where nothing can; kept: what of a text then comes back, all of it unless said.
    """

    name: str
    title: str
    encode: Change
    decode: Change | None
    kept: Change = str


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _mapped(pairs: dict[str, str]) -> tuple[Change, Change]:
    """What writes each of some characters as another one, and what reads them back."""
    there = str.maketrans(pairs)
    back = str.maketrans({v: k for k, v in pairs.items()})
    return lambda text: text.translate(there), lambda text: text.translate(back)


def _both_cases(other: str) -> dict[str, str]:
    """Each letter as the one in its place of another alphabet, capitals as capitals."""
    small = dict(zip(_LETTERS, other, strict=True))
    return small | {k.upper(): v.upper() for k, v in small.items()}


_CAESAR, _FROM_CAESAR = _mapped(_both_cases(_LETTERS[3:] + _LETTERS[:3]))
_ATBASH, _ = _mapped(_both_cases(_LETTERS[::-1]))
_LEET, _ = _mapped(dict(zip("aeiostAEIOST", "431057431057", strict=True)))
_NO_VOWELS = str.maketrans(dict.fromkeys("aeiouAEIOU", ""))
_WIDE, _FROM_WIDE = _mapped({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})
_ALIKE, _FROM_ALIKE = _mapped(dict(zip("aceijopsxyACEHIKMOPSTX", "асеіјорѕхуАСЕНІКМОРЅТХ", strict=True)))  # fmt: skip
_TAGS, _FROM_TAGS = _mapped({chr(c): chr(0xE0000 + c) for c in range(0x20, 0x7F)})
_DOTS = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"
_BRAILLE, _FROM_BRAILLE = _mapped(dict(zip(_LETTERS, _DOTS, strict=True)))
_ZERO_WIDTH = "\u200b"
_BITS = [f"{byte:08b}" for byte in range(256)]
_PERCENT = [f"%{byte:02X}" for byte in range(256)]

_MORSE = dict(zip(_LETTERS + "0123456789", [".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..", "-----", ".----", "..---", "...--", "....-", ".....", "-....", "--...", "---..", "----."], strict=True))  # fmt: skip
_FROM_MORSE = {sign: letter for letter, sign in _MORSE.items()}


def _plain(text: str) -> str:
    """In small letters without accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in apart if not unicodedata.combining(c))


def _words_of(text: str, known: str) -> list[str]:
    """The words of a text, of each what is known."""
    allowed = set(known)
    words = ("".join(c for c in word if c in allowed) for word in _plain(text).split())
    return [word for word in words if word]


def _kept_letters(text: str) -> str:
    return " ".join(_words_of(text, _LETTERS))


def _kept_signs(text: str) -> str:
    return " ".join(_words_of(text, "".join(_MORSE)))


def _to_morse(text: str) -> str:
    words = _words_of(text, "".join(_MORSE))
    return " / ".join(" ".join(map(_MORSE.__getitem__, word)) for word in words)


def _of_morse(text: str) -> str:
    words = text.split(" / ") if text else []
    return " ".join("".join(map(_FROM_MORSE.__getitem__, word.split())) for word in words)


def _to_numbers(text: str) -> str:
    return " / ".join(
        "-".join(str(ord(c) - 96) for c in word) for word in _words_of(text, _LETTERS)
    )


def _of_numbers(text: str) -> str:
    words = text.split(" / ") if text else []
    return " ".join("".join(chr(96 + int(n)) for n in word.split("-")) for word in words)


def _to_escapes(text: str) -> str:
    wide = text.encode("utf-16-be")
    return "".join(f"\\u{wide[at : at + 2].hex()}" for at in range(0, len(wide), 2))


def _of_escapes(text: str) -> str:
    return bytes.fromhex(text.replace("\\u", "")).decode("utf-16-be")


def _of_entities(text: str) -> str:
    return re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), text)


def _pig_latin(text: str) -> str:
    def word(found: re.Match[str]) -> str:
        head, rest = found[1], found[2]
        return f"{rest}{head}ay" if head else f"{rest}way"

    return re.sub(r"\b([b-df-hj-np-tv-zB-DF-HJ-NP-TV-Z]*)([a-zA-Z]+)\b", word, text)


def _one_spaced(text: str) -> str:
    return " ".join(text.split())


def _spread(text: str) -> str:
    return "   ".join(" ".join(word) for word in text.split())


def _of_spread(text: str) -> str:
    return " ".join(word.replace(" ", "") for word in text.split("   "))


def _alternating(text: str) -> str:
    return "".join(
        c.upper() if at % 2 and c.isascii() else c.lower() if c.isascii() else c
        for at, c in enumerate(text)
    )


def _small(text: str) -> str:
    """ASCII letters as small ones."""
    return "".join(c.lower() if c.isascii() else c for c in text)


CODES: dict[str, Code] = {code.name: code for code in (
    Code("base64", "base64", lambda t: base64.b64encode(t.encode()).decode(), lambda t: base64.b64decode(t).decode()),
    Code("base32", "base32", lambda t: base64.b32encode(t.encode()).decode(), lambda t: base64.b32decode(t).decode()),
    Code("ascii85", "Ascii85", lambda t: base64.a85encode(t.encode()).decode(), lambda t: base64.a85decode(t).decode()),
    Code("hex", "hexadecimal UTF-8", lambda t: t.encode().hex(" "), lambda t: bytes.fromhex(t).decode()),
    Code("binary", "binary UTF-8", lambda t: " ".join(map(_BITS.__getitem__, t.encode())), lambda t: bytes(int(b, 2) for b in t.split()).decode()),
    Code("percent", "percent encoding", lambda t: "".join(map(_PERCENT.__getitem__, t.encode())), unquote),
    Code("unicode_escapes", "Unicode escapes", _to_escapes, _of_escapes),
    Code("html_entities", "HTML entities", lambda t: "".join(f"&#{ord(c)};" for c in t), _of_entities),
    Code("rot13", "ROT13", lambda t: codecs.encode(t, "rot13"), lambda t: codecs.decode(t, "rot13")),
    Code("caesar", "a Caesar cipher that moves each letter on by three", _CAESAR, _FROM_CAESAR),
    Code("atbash", "Atbash, which swaps a with z, b with y and so on", _ATBASH, _ATBASH),
    Code("leetspeak", "leetspeak", _LEET, None),
    Code("disemvowel", "words without their vowels", lambda t: t.translate(_NO_VOWELS), None),
    Code("pig_latin", "Pig Latin", _pig_latin, None),
    Code("reversed", "reversed text", lambda t: t[::-1], lambda t: t[::-1]),
    Code("reversed_words", "words in reverse order", lambda t: " ".join(t.split()[::-1]), lambda t: " ".join(t.split()[::-1]), _one_spaced),
    Code("morse", "Morse code", _to_morse, _of_morse, _kept_signs),
    Code("letter_numbers", "numbers of the letters in the alphabet", _to_numbers, _of_numbers, _kept_letters),
    Code("braille", "Braille", lambda t: _BRAILLE(_small(t)), _FROM_BRAILLE, lambda t: _FROM_BRAILLE(_small(t))),
    Code("spaced", "letters set apart", _spread, _of_spread, _one_spaced),
    Code("alternating_case", "alternating case", _alternating, _small, _small),
    Code("full_width", "full-width letters", _WIDE, _FROM_WIDE, _FROM_WIDE),
    Code("homoglyphs", "letters that look like others", _ALIKE, _FROM_ALIKE, _FROM_ALIKE),
    Code("zero_width", "letters with zero-width spaces between them", _ZERO_WIDTH.join, lambda t: t.replace(_ZERO_WIDTH, ""), lambda t: t.replace(_ZERO_WIDTH, "")),
    Code("unicode_tags", "invisible tag characters", _TAGS, _FROM_TAGS, _FROM_TAGS),
)}  # fmt: skip
