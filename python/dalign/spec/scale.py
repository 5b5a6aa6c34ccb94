"""The scale that a judge's template asks for, as far as its text tells."""

from __future__ import annotations

import re
from math import ceil

_NUMBER = r"-?\d+(?:\.\d+)?"
# Lines about scores, in English, German, French, Spanish and Italian.
_ABOUT = re.compile(
    r"scor|rat(?:e|ing)\b|grade|scale|points?\b|bewert|punkt|skala|not(?:e|er)\b|punt|echelle|échelle|\bN\b",
    re.IGNORECASE,
)
# What may stand behind an end: 0 (breaks the policies) to 10.
_ASIDE = r"(?:\s*\([^()]{0,200}\))?"
_RANGE = re.compile(
    rf"(?<![\w.])(?P<low>{_NUMBER}){_ASIDE}\s*(?:-|–|—|…|\.\.\.?|to|and|through|until|bis|und|à|et|a|y|e)\s*(?P<high>{_NUMBER})(?![\w.]*\d)"
)
_OUT_OF = re.compile(rf"(?:\bN\s*/|\bout of|\bvon|\bsur|\bsu)\s*(?P<high>{_NUMBER})\b")
# 2 to 6 sentences are no scores.
_COUNTED = re.compile(
    r"\s*(?:sentence|word|line|paragraph|token|step|percent|%|time|example|character|item|bullet|year|Sätze|Worte|Zeile)",
    re.IGNORECASE,
)
_FILLED_IN = re.compile(r"\{[{%#].*?[}%#]\}")
# No scale begins with the number of a year.
_FURTHEST_LOW = 100


def scale_in(source: str) -> tuple[float, float, int] | None:
    """(low, high, line from 1) of the last scale that a template's text names; None where it names none.

    The last one is what a judge is told to end with.
    """
    found = None
    for number, line in enumerate(source.splitlines(), 1):
        text = _FILLED_IN.sub("", line)
        if not _ABOUT.search(text):
            continue
        for match in (*_OUT_OF.finditer(text), *_RANGE.finditer(text)):
            low, high = float(match.groupdict().get("low") or 0), float(match["high"])
            is_counted = _COUNTED.match(text, match.end())
            if low < high and abs(low) < _FURTHEST_LOW and not is_counted:
                found = (low, high, number)
    return found


# Where the bands of a scale begin, as shares of it: from the worst answer to the best.
_BEGIN = (0.0, 0.2, 0.5, 0.7, 0.9)


def bands(low: float, high: float) -> list[dict[str, object]]:
    """A scale from its low end in bands: `range` in words, and `of`, which of the five of a long scale it holds (from 0).

    On a scale of whole numbers the bands are of whole numbers, and on a short one a band holds two.
    """
    starts = [low + share * (high - low) for share in _BEGIN]
    if high - low <= 1 or not (float(low).is_integer() and float(high).is_integer()):
        ends = [f"below {plain(round(end, 6))}" for end in starts[1:]] + [f"{plain(high)}"]
        return [
            {"range": f"{plain(round(start, 6))} to {end}", "of": [n]}
            for n, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]
    # Rounding errors of the shares make no number of their own.
    firsts = [ceil(round(start, 6)) for start in starts]
    found: list[tuple[int, int, list[int]]] = []
    for n, (first, last) in enumerate(
        zip(firsts, [f - 1 for f in firsts[1:]] + [int(high)], strict=True)
    ):
        if first <= last:
            found.append((first, last, [n]))
        else:
            found[-1][2].append(n)
    return [
        {"range": f"{first} to {last}" if first < last else f"{first}", "of": of}
        for first, last, of in found
    ]


def plain(number: float) -> int | float:
    """The number as a template writes it: 10 and not 10.0."""
    return int(number) if number == int(number) else number
