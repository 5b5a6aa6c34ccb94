"""Figures as hand-made SVG: intervals of arms, the funnel, bars. Colours come from the page's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dalign.figures import FunnelRow, MetricRow
from dalign.report.markup import Markup, join, tag
from dalign.report.words import (
    NOT_MEASURED,
    arm_class,
    arm_name,
    count,
    in_order,
    interval,
    metric_name,
    percent,
)
from dalign.text import short, visible
from dalign.vocabulary import ARMS, BY_TRUTH

PANEL = 340
NAME_LENGTH = 17
ROW = 36


def svg(width: float, height: float, title: str, text: str, *marks: str) -> Markup:
    """A figure that scales down with the window, and says in words what it shows."""
    return tag(
        "svg",
        tag("title", title),
        tag("desc", text),
        *marks,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        style=f"max-width:{width:g}px",
    )


def label(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "") -> Markup:
    """A line of text whose middle lies near y."""
    return tag("text", words, x=x, y=y, dy="0.35em", text_anchor=anchor, class_=class_ or None)


def fitting(name: str) -> str:
    """A name as it fits beside a figure's marks; tables and descriptions give it whole."""
    return short(visible(name), NAME_LENGTH)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def interval_panel(suite: str, metric: str, rows: Sequence[MetricRow]) -> Markup:
    """Every arm's value with its interval, for one metric of one suite."""
    arms = in_order((row.arm for row in rows), ARMS)
    left, right, top = 116, PANEL - 16, 8
    bottom = top + ROW * len(arms)

    def x(share: float | None) -> float:
        return left + (right - left) * (share or 0.0)

    marks = [_percent_grid(x(share), top, bottom, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for nth, arm in enumerate(arms):
        middle = top + ROW * (nth + 0.5)
        marks.append(label(left - 10, middle, fitting(arm_name(arm)), anchor="end"))
        graded = [row for row in rows if row.arm == arm]
        for row in graded:
            offset = 0.0 if len(graded) == 1 else -8.0 if row.grader == BY_TRUTH else 8.0
            marks.append(_whisker(row, x(row.value), x(row.low), x(row.high), middle + offset))
    name = metric_name(metric)
    words = "; ".join(
        f"{arm_name(r.arm)} by {r.grader}: {percent(r.value)} {interval(r.low, r.high)}"
        for r in rows
    )
    body = svg(PANEL, bottom + 26, f"{name}, suite {suite}", words, *marks)
    shown = name if name == suite else f"{suite} · {name}"
    return tag("figure", tag("figcaption", tag("b", shown), ", per cent"), body)


def _percent_grid(x: float, top: float, bottom: float, share: float) -> Markup:
    words = label(x, bottom + 13, f"{100 * share:.0f}", anchor="middle", class_="tick")
    return join(line(x, top, x, bottom, "grid"), words)


def _whisker(row: MetricRow, at: float, low: float, high: float, y: float) -> Markup:
    if row.value is None:
        return label(at + 4, y, f"{row.grader}: {NOT_MEASURED}", class_="tick")
    ends = f"{percent(row.value)} {interval(row.low, row.high)}"
    words = f"{arm_name(row.arm)}, {row.grader}: {ends}, n {row.n}"
    if row.grader == BY_TRUTH:
        dot = tag("circle", cx=at, cy=y, r=5, class_="dot")
    else:
        dot = tag("path", d=f"M{at:.2f} {y - 6:.2f}l6 6l-6 6l-6 -6z", class_="dot hollow")
    whisker = Markup("")
    if row.low is not None and row.high is not None:
        caps = [line(end, y - 4, end, y + 4, "whisker") for end in (low, high)]
        whisker = join(line(low, y, high, y, "whisker"), *caps)
    return tag("g", tag("title", words), whisker, dot, class_=arm_class(row.arm))


# Every field of a funnel's row but its category, and how it is called.
STATIONS = {name: name.replace("_", " ") for name in FunnelRow._fields[1:]}
FUNNEL_LEFT, FUNNEL_CELL, FUNNEL_LINE = 120, 152, 26


def funnel(rows: Sequence[FunnelRow]) -> Markup:
    """How many rows of each category are left: a line a category, a bar a station."""
    totals = [sum(left) for left in zip(*(row[1:] for row in rows), strict=True)]
    most = max(1, *(left for row in rows for left in row[1:]))
    columns = [FUNNEL_LEFT + FUNNEL_CELL * nth for nth in range(len(STATIONS))]
    heads = zip(columns, STATIONS.values(), strict=True)
    marks = [label(x, 12, name, class_="head") for x, name in heads]
    for nth, row in enumerate(rows):
        middle = 30 + FUNNEL_LINE * (nth + 0.5)
        marks.append(label(FUNNEL_LEFT - 12, middle, fitting(row.category), anchor="end"))
        for x, left in zip(columns, row[1:], strict=True):
            width = 92 * left / most
            marks.append(tag("rect", x=x, y=middle - 8, width=width, height=16, class_="bar"))
            marks.append(label(x + width + 6, middle, count(left)))
    middle = 34 + FUNNEL_LINE * (len(rows) + 0.5)
    right = FUNNEL_LEFT + FUNNEL_CELL * len(STATIONS)
    marks.append(line(0, middle - 15, right - 40, middle - 15, "axis"))
    marks.append(label(FUNNEL_LEFT - 12, middle, "all", anchor="end", class_="head"))
    sums = zip(columns, totals, strict=True)
    marks += [label(x, middle, count(total), class_="head") for x, total in sums]
    named = zip(STATIONS.values(), totals, strict=True)
    words = ", ".join(f"{name} {count(total)}" for name, total in named)
    return svg(right, middle + 16, "Rows left after each stage", f"All: {words}", *marks)


def bars(title: str, items: Sequence[tuple[str, int]]) -> Markup:
    """Counts as horizontal bars, each with its number and share of all."""
    amounts = [amount for _, amount in items]
    everything, most = sum(amounts), max(1, *amounts)
    left, room, height = 130, 240, 28
    marks = []
    for nth, (name, amount) in enumerate(items):
        middle = 6 + height * (nth + 0.5)
        width = room * amount / most
        share = percent(amount / everything if everything else None)
        marks.append(label(left - 10, middle, fitting(name), anchor="end"))
        marks.append(tag("rect", x=left, y=middle - 9, width=width, height=18, class_="bar"))
        marks.append(label(left + width + 6, middle, f"{count(amount)} ({share})"))
    words = ", ".join(f"{name}: {amount}" for name, amount in items)
    return svg(500, 12 + height * len(items), title, words, *marks)


SCORE_BARS = 12


def score_bars(scores: Mapping[float, int]) -> list[tuple[str, int]]:
    """(score or range of scores, completions): ranges where a bar each would be too many."""
    if len(scores) <= SCORE_BARS:
        return [(f"{score:g}", amount) for score, amount in sorted(scores.items())]
    lowest = min(scores)
    width = (max(scores) - lowest) / SCORE_BARS
    counts = [0] * SCORE_BARS
    for score, amount in scores.items():
        counts[min(SCORE_BARS - 1, int((score - lowest) / width))] += amount
    edges = [lowest + width * nth for nth in range(SCORE_BARS + 1)]
    return [(f"{edges[n]:.2f} to {edges[n + 1]:.2f}", counts[n]) for n in range(SCORE_BARS)]
