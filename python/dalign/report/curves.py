"""Curves over training steps: light points as measured, a line through their moving average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dalign.report.markup import Markup, join, tag
from dalign.report.plots import fitting, label, line, svg
from dalign.report.words import NOT_MEASURED, number

WIDTH, HEIGHT = 520.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 128.0, 12.0, 38.0
LABEL_GAP = 15.0

# (step, value) pairs of what was measured.
Points = Sequence[tuple[int, float]]


class Series(NamedTuple):
    """One curve. `class_` gives colour and dashes."""

    name: str
    class_: str
    points: Points


class Frame(NamedTuple):
    """Where steps and values lie on the figure."""

    first: float
    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        """Left to right."""
        span = self.last - self.first
        return LEFT + (WIDTH - LEFT - RIGHT) * ((step - self.first) / span if span else 0.5)

    def y(self, value: float) -> float:
        """Upwards."""
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def chart(title: str, series: Sequence[Series], *, at_least: tuple[float, float]) -> Markup:
    """Several curves over steps; the value axis covers `at_least` and all values."""
    drawn = [one for one in series if one.points]
    silent = [one.name for one in series if not one.points]
    if not drawn:
        return tag("p", f"{title}: {NOT_MEASURED}.")
    steps, values = zip(*(point for one in drawn for point in one.points), strict=True)
    ticks = nice_ticks(min([at_least[0], *values]), max([at_least[1], *values]))
    frame = Frame(min(steps), max(steps), ticks[0], ticks[-1])
    lines = [smoothed(one.points) for one in drawn]
    words = "; ".join(
        f"{one.name}: {number(means[0][1])} at first, {number(means[-1][1])} at last"
        for one, means in zip(drawn, lines, strict=True)
    )
    ends = _end_labels([frame.y(means[-1][1]) for means in lines])
    marks = [_axes(frame, ticks)]
    marks += [_curve(frame, one, means) for one, means in zip(drawn, lines, strict=True)]
    marks += [_name(frame, *each) for each in zip(drawn, lines, ends, strict=True)]
    body = svg(WIDTH, HEIGHT, title, words, *marks)
    note = [tag("p", f"{', '.join(silent)}: {NOT_MEASURED}.", class_="note")] if silent else []
    return tag("figure", tag("figcaption", tag("b", title)), body, *note)


def smoothed(points: Points) -> Points:
    """The centred moving average over about a tenth of the points, shorter at the ends."""
    reach = len(points) // 20
    means = []
    for nth, (step, _) in enumerate(points):
        near = points[max(0, nth - reach) : nth + reach + 1]
        means.append((step, sum(value for _, value in near) / len(near)))
    return means


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers at even distances, from at most `low` to at least `high`; about five."""
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= span / 4 * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [nth * step for nth in range(first, max(last, first + 1) + 1)]


def _axes(frame: Frame, ticks: Sequence[float]) -> Markup:
    marks = []
    for tick in ticks:
        marks.append(line(LEFT, frame.y(tick), WIDTH - RIGHT, frame.y(tick), "grid"))
        marks.append(label(LEFT - 7, frame.y(tick), f"{tick:g}", anchor="end", class_="tick"))
    whole = [t for t in nice_ticks(*frame[:2]) if frame.first <= t <= frame.last and t == int(t)]
    words = [(frame.x(step), HEIGHT - BOTTOM + 13, f"{step:g}") for step in whole or [frame.first]]
    words.append(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "step"))
    return join(*marks, *(label(*each, anchor="middle", class_="tick") for each in words))


def _curve(frame: Frame, series: Series, means: Points) -> Markup:
    dots = [tag("circle", cx=frame.x(s), cy=frame.y(v), r=1.8) for s, v in series.points]
    spots = " ".join(f"{frame.x(s):.1f},{frame.y(v):.1f}" for s, v in means)
    path = tag("path", d=f"M{spots}", class_="curve") if len(dots) > 1 else Markup("")
    return tag("g", tag("g", *dots, class_="raw"), path, class_=series.class_)


def _name(frame: Frame, series: Series, means: Points, y: float) -> Markup:
    step, value = means[-1]
    x = WIDTH - RIGHT + 8
    lead = line(frame.x(step) + 2, frame.y(value), x - 2, y, "lead")
    words = f"{fitting(series.name)} {number(value)}"
    return tag("g", lead, label(x, y, words, class_="end"), class_=series.class_)


def _end_labels(wanted: Sequence[float]) -> list[float]:
    """Heights near the wanted ones, apart enough to be read."""
    order = sorted(range(len(wanted)), key=lambda nth: (wanted[nth], nth))
    heights = list(wanted)
    floor = -math.inf
    for nth in order:
        heights[nth] = max(wanted[nth], floor + LABEL_GAP)
        floor = heights[nth]
    # Pushed below the frame, they move up again, the lowest first.
    ceiling = HEIGHT - BOTTOM + 4
    for nth in reversed(order):
        heights[nth] = min(heights[nth], ceiling)
        ceiling = heights[nth] - LABEL_GAP
    return heights
