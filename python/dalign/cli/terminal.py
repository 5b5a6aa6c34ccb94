"""The one place that prints. Whatever it is given is shown with its control characters made visible."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Collection, Iterable, Sequence

from dalign.figures import MetricRow, Results
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


def tell_results(results: Results) -> None:
    """Prints arms and suites' metrics, with intervals, those of a suite's metric together; then the cost.

    Beside each, the shares of its completions without an answer, and of its grades that are missing.
    """
    heads = ("suite", "metric", "grader", "arm", "value  [95 % interval]", "n", "malformed", "missing")  # fmt: skip
    of = {(form.arm, form.suite): form for form in results.forms}

    def cells(row: MetricRow) -> tuple[str, ...]:
        form = of.get((row.arm, row.suite))
        malformed = _share(form.malformed, form.completions) if form else ""
        missing = _share(row.missing, row.n + row.missing)
        told = (row.suite, row.metric, row.grader, row.arm, _value(row), str(row.n))
        return (*told, malformed, missing)

    order = sorted(results.rows, key=lambda row: (row.suite, row.metric, row.grader))
    tell_table(heads, [cells(row) for row in order], right=("n", "malformed", "missing"))
    _tell_lost(results)
    peak = max((stage.peak_rss_mib or 0 for stage in results.stages), default=0)
    tell(f"{results.elapsed_s:.0f} s in all; peak {peak:.0f} MiB in one process")


def _tell_lost(results: Results) -> None:
    """Answers that are cut off, and what trainings cost."""
    for form in results.forms:
        if form.cut_off:
            tell(
                f"arm {form.arm}, suite {form.suite}: {form.cut_off} of {form.completions} answers are cut off at evaluate.max_new_tokens, and graded by what is there"
            )
    for lost in results.forgetting:
        if lost.value is not None and lost.low is not None and lost.high is not None:
            tell(
                f"arm {lost.arm}, suite {lost.suite}: forgotten {lost.value:.3f} [{lost.low:.3f}, {lost.high:.3f}] of what the base has right"
            )
    for far in results.kl:
        ends = f" [{far.low:.4f}, {far.high:.4f}]" if far.low is not None else ""
        tell(
            f"arm {far.arm}: {far.value:.4f}{ends} nats a token from the base on {far.rows} held-out rows"
        )


def tell_by(key: str, rows: Sequence[tuple[str | None, MetricRow]]) -> None:
    """Prints metrics for each value of a key of the prompts."""
    heads = ("suite", "metric", "grader", key, "arm", "value  [95 % interval]", "n", "missing")
    order = sorted(rows, key=lambda each: (each[1].suite, each[1].metric, each[1].grader))
    told = [
        (r.suite, r.metric, r.grader, "-" if value is None else value, r.arm, _value(r), str(r.n),
         _share(r.missing, r.n + r.missing))
        for value, r in order
    ]  # fmt: skip
    tell_table(heads, told, right=("n", "missing"))


def _share(part: int, whole: int) -> str:
    """A share in percent, to one decimal; none is 0 but nothing."""
    if not part:
        return "0 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9 if part < whole else 100):.3g} %"


def _value(row: MetricRow) -> str:
    if row.value is None or row.low is None or row.high is None:
        return "not measured" if row.value is None else f"{row.value:.3f}"
    return f"{row.value:.3f}  [{row.low:.3f}, {row.high:.3f}]"
