"""The one place that prints. Whatever it is given is shown with its control characters made visible."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from dalign.text import visible, visible_json

# A part of a line, and its style in a terminal that has colours.
Styled = tuple[str, str]


def tell(text: str = "", style: str = "") -> None:
    """Prints lines on stdout."""
    if style:
        tell_parts([(text, style)])
    else:
        print(visible(text))


def tell_parts(parts: Iterable[Styled]) -> None:
    """Prints a line of parts, each in its style."""
    # A table can have many lines: rich is imported once, and only where there are styles.
    from rich.console import Console
    from rich.text import Text

    line = Text()
    for text, style in parts:
        line.append(visible(text), style)
    Console(highlight=False, soft_wrap=True).print(line)


def tell_json(value: object, *, indent: int | None = None) -> None:
    """Prints a value as JSON on stdout: what is escaped in it reads back as it was."""
    print(visible_json(value, indent=indent))


def warn(text: str) -> None:
    """Prints lines on stderr, beside what a program reads from stdout."""
    print(visible(text), file=sys.stderr)
