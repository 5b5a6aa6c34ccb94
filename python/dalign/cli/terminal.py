"""The one place that prints. Whatever it is given is shown with its control characters made visible."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Collection, Iterable, Sequence

from dalign.figures import MetricRow, StageRow
from dalign.text import one_line, visible, visible_json

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
        line.append(one_line(text), style)
    Console(highlight=False, soft_wrap=True).print(line)


def tell_json(value: object, *, indent: int | None = None) -> None:
    """Prints a value as JSON on stdout: what is escaped in it reads back as it was."""
    text = visible_json(value, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    print(text)


def prints_anything() -> None:
    """Lets stdout and stderr write as escapes what their encoding has no characters for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def warn(text: str) -> None:
    """Prints a line on stderr, beside what a program reads from stdout."""
    print(one_line(text), file=sys.stderr)


def tell_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
) -> None:
    """Prints a line for each row, columns one below the other. right: the heads of columns that end alike."""
    shown = [[one_line(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = zip(heads, row, widths, strict=True)
        tell("  ".join(c.rjust(w) if h in right else c.ljust(w) for h, c, w in cells).rstrip())


def tell_results(rows: Sequence[MetricRow], stages: Sequence[StageRow], elapsed_s: float) -> None:
    """Prints arms and suites' metrics, with intervals, those of a suite's metric together; then the cost."""
    heads = ("suite", "metric", "grader", "arm", "value  [95 % interval]", "n")
    order = sorted(rows, key=lambda row: (row.suite, row.metric, row.grader))
    tell_table(
        heads,
        [(r.suite, r.metric, r.grader, r.arm, _value(r), str(r.n)) for r in order],
        right=("n",),
    )
    peak = max((stage.peak_rss_mib or 0 for stage in stages), default=0)
    tell(f"{elapsed_s:.0f} s in all; peak {peak:.0f} MiB in one process")


def _value(row: MetricRow) -> str:
    if row.value is None or row.low is None or row.high is None:
        return "not measured" if row.value is None else f"{row.value:.3f}"
    return f"{row.value:.3f}  [{row.low:.3f}, {row.high:.3f}]"
