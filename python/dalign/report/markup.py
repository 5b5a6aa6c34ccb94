"""Builds well-formed markup in which text cannot become a tag, a script or a change of direction."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from dalign.text import visible

# Elements without an end tag in HTML, and the shapes of SVG.
_EMPTY = frozenset({"meta", "circle", "rect", "line", "path"})


class Markup(str):
    """Text that is already markup; any other string is escaped on its way into an element."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """One element. `class_` is written as class, an underscore as a hyphen; None leaves it out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(_plain(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """The children one after another; those that are not markup are escaped."""
    return Markup(
        "".join(c if isinstance(c, Markup) else escape(visible(c), quote=False) for c in children)
    )


def untrusted(text: str) -> Markup:
    """A block of a model's or a data set's text, shown as it is and never read as markup."""
    return tag("pre", text, dir="ltr", class_="untrusted")


def link_to(path: str, *children: str, **attributes: str | float | None) -> Markup:
    """A link to a file below the report's own folder, whatever the path looks like."""
    return tag("a", *children, href="./" + quote(visible(path)), **attributes)


def _plain(value: str | float) -> str:
    """Coordinates with at most two decimals, so that equal content gives equal bytes."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
