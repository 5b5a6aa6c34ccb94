"""Builds well-formed markup in which text cannot become a tag, a script or a change of direction."""

from __future__ import annotations

import unicodedata
from html import escape
from urllib.parse import quote

# Elements without an end tag in HTML, and the shapes of SVG.
_EMPTY = frozenset({"meta", "circle", "rect", "line", "path"})
# Controls, formats (bidi overrides, zero widths, soft hyphens), surrogates, private use, unassigned,
# line and paragraph separators: a reader would not see them, or see something else because of them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, symbols and marks that draw nothing: Hangul fillers, the blank Braille cell, variation selectors.
_BLANK = frozenset(
    map(
        chr,
        (0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
    )
)


class Markup(str):
    """Text that is already markup; any other string is escaped on its way into an element."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""The text with characters that cannot be seen written as \uXXXX; line feeds and tabs stay."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t":
        return character
    if unicodedata.category(character) not in _HIDDEN and character not in _BLANK:
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """One element. `class_` is written as class, an underscore as a hyphen; None leaves it out."""
    written = "".join(
        f' {_attribute_name(key)}="{escape(visible(_plain(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """The children one after another; those that are not markup are escaped."""
    return Markup("".join(_child(child) for child in children))


def untrusted(text: str) -> Markup:
    """A block of a model's or a data set's text, shown as it is and never read as markup."""
    return tag("pre", text, dir="ltr", class_="untrusted")


def link_to(path: str, *children: str, **attributes: str | float | None) -> Markup:
    """A link to a file below the report's own folder, whatever the path looks like."""
    return tag("a", *children, href="./" + quote(visible(path)), **attributes)


def _child(child: str) -> str:
    return child if isinstance(child, Markup) else escape(visible(child), quote=False)


def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _plain(value: str | float) -> str:
    """Coordinates with at most two decimals, so that equal content gives equal bytes."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
