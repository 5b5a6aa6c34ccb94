"""Categories whose summaries say nearly the same: nobody could tell where a prompt belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.types import Spec

# Share of pairs of neighbouring words that two summaries have in common.
THRESHOLD = 0.4


def summaries(spec: Spec, _golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kind `similar-summaries`."""
    pairs_of = {category.name: _pairs(category.summary) for category in spec.categories}
    for one, two in combinations(spec.categories, 2):
        left, right = pairs_of[one.name], pairs_of[two.name]
        shared = len(left & right) / len(left | right) if left | right else 0.0
        if shared >= THRESHOLD:
            text = f"the summary of '{two.name}' is nearly that of '{one.name}' ({shared:.0%} of its pairs of words); say what sets the two apart"
            place = two.front.get("summary", two.place)
            yield Finding(spec.folder / two.place.file, place.line, "similar-summaries", text)


def _pairs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(pairwise(words)) or {tuple(words)} - {()}
