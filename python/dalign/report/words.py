"""The words and number formats of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dalign.vocabulary import ARMS, METRICS

NOT_MEASURED = "not measured"
DIRECTION_SIGNS = {
    "better": "\u25b2 better",
    "worse": "\u25bc worse",
    "unclear": "\u2248 unclear",
}


def arm_name(arm: str) -> str:
    """The arm's name in figures and tables."""
    return ARMS[arm].title if arm in ARMS else arm


def metric_name(metric: str) -> str:
    """The metric's name in figures and tables."""
    return METRICS[metric].title if metric in METRICS else metric.replace("_", " ")


def arm_class(arm: str) -> str:
    """The style class that gives marks of an arm their colour."""
    return f"arm-{list(ARMS).index(arm)}" if arm in ARMS else "arm-other"


def in_order(values: Iterable[str], known: Mapping[str, Any]) -> list[str]:
    """The distinct values: known ones in their fixed order, then the others as they come."""
    found = list(dict.fromkeys(values))
    return [name for name in known if name in found] + [v for v in found if v not in known]


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal. Only 1 itself is 100 %, only 0 itself 0 %."""
    if share is None:
        return NOT_MEASURED
    if 0.9995 <= share < 1:
        return ">99.9\u202f%"
    if 0 < share < 0.0005:
        return "<0.1\u202f%"
    return f"{100 * share:.1f}\u202f%"


def interval(low: float | None, high: float | None) -> str:
    """The ends of a 95 % interval in per cent."""
    if low is None or high is None:
        return "no interval"
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return NOT_MEASURED if difference is None else f"{_signed(difference)}\u202fpp"


def points_interval(low: float | None, high: float | None) -> str:
    """The ends of a difference's 95 % interval in percentage points."""
    if low is None or high is None:
        return "no interval"
    return f"[{_signed(low)}, {_signed(high)}]"


def _signed(value: float) -> str:
    """Percentage points; what rounds to 0 has no sign."""
    shown = f"{100 * value:+.1f}".replace("-", "\u2212")
    return "0.0" if shown[1:] == "0.0" else shown


def direction(low: float | None, high: float | None) -> str:
    """'better' or 'worse' when the interval excludes 0, else 'unclear'."""
    if low is None or high is None:
        return "unclear"
    return "better" if low > 0 else "worse" if high < 0 else "unclear"


def count(value: float | None) -> str:
    """A whole number with its thousands apart."""
    return NOT_MEASURED if value is None else f"{value:,.0f}".replace(",", "\u202f")


def number(value: float) -> str:
    """A measured value with as many decimals as its size asks for."""
    if abs(value) >= 1000:
        return count(value)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def mebibytes(value: float | None) -> str:
    """An amount of memory."""
    return NOT_MEASURED if value is None else f"{count(value)} MiB"


def seconds(value: float | None) -> str:
    """A duration in seconds, above two minutes in minutes and seconds."""
    if value is None:
        return NOT_MEASURED
    if value < 120:
        return f"{value:.1f}\u202fs"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}\u202fmin {rest:02d}\u202fs"
