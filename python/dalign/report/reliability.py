"""A judge's reliability diagram: its scores of labelled answers against the share that people pass."""

from __future__ import annotations

from collections.abc import Sequence

from dalign.figures import CardBin
from dalign.report.curves import nice_ticks
from dalign.report.markup import Markup, join, tag
from dalign.report.plots import label, line, svg
from dalign.report.words import count, interval, percent

WIDTH, HEIGHT = 460.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 18.0, 30.0, 44.0


def reliability(bins: Sequence[CardBin], low: float, high: float, threshold: float) -> Markup:
    """The bins at their mean scores, each with its interval; low, high: the scale; threshold: from which an answer passes."""

    def x(score: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (score - low) / (high - low)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    marks = [_share_line(share, y(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    scores = [tick for tick in nice_ticks(low, high) if low <= tick <= high]
    below = HEIGHT - BOTTOM
    marks += [label(x(s), below + 13, f"{s:g}", anchor="middle", class_="tick") for s in scores]
    middle = (LEFT + WIDTH - RIGHT) / 2
    marks.append(label(middle, HEIGHT - 9, "the judge's score", anchor="middle", class_="tick"))
    marks.append(label(LEFT - 44, 10, "people pass, per cent", class_="tick"))
    diagonal = line(x(low), y(0.0), x(high), y(1.0), "curve")
    marks.append(tag("g", diagonal, class_="dash line-2"))
    marks.append(line(x(threshold), TOP, x(threshold), below, "axis"))
    for each in bins:
        share = each.passing
        ends = (y(share.value or 0.0), y(share.low or 0.0), y(share.high or 0.0))
        marks.append(_bin(each, x(each.mean), ends))
    words = "; ".join(map(_in_words, bins))
    return svg(WIDTH, HEIGHT, "Reliability of the judge", words, *marks)


def _share_line(share: float, y: float) -> Markup:
    words = label(LEFT - 7, y, f"{100 * share:.0f}", anchor="end", class_="tick")
    return join(line(LEFT, y, WIDTH - RIGHT, y, "grid"), words)


def _bin(each: CardBin, at: float, ends: tuple[float, float, float]) -> Markup:
    """ends: the heights of the share and of the ends of its interval."""
    middle, low, high = ends
    whisker = line(at, low, at, high, "whisker")
    caps = [line(at - 4, end, at + 4, end, "whisker") for end in (low, high)]
    dot = tag("circle", cx=at, cy=middle, r=5, class_="dot")
    return tag("g", tag("title", _in_words(each)), whisker, *caps, dot, class_="line-0")


def _in_words(each: CardBin) -> str:
    share = each.passing
    ends = f"{percent(share.value)} {interval(share.low, share.high)}"
    return f"scores {each.low:g} to {each.high:g}, mean {each.mean:.2f}: people pass {ends} of {count(share.n)}"
