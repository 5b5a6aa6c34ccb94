"""WildChat: of a corpus larger than memory, the conversations whose last user turn a moderation scores highest, category by category.

As the paper's Toxic WildChat (2412.16339, 3.1.1): per category of the moderation the 200 conversations with the highest score on
the last user turn. A conversation may stand in several categories.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from dalign.data.jsonl import RowError, rows_of
from dalign.data.public import Entry, Row
from dalign.rows import ROLES, Message
from dalign.text import short

NAME, TITLE, LICENCE = "wildchat", "WildChat", "ODC-BY"
TOP = 200
COLUMNS = ("conversation", "openai_moderation")


class _Scored(NamedTuple):
    """A conversation up to its last user turn, with the moderation's scores of that, none where there is no such turn."""

    number: int
    messages: tuple[Message, ...]
    scores: Mapping[str, float]
    labels: Mapping[str, str]
    reason: str = ""


def best_entries(source: Path, top: int, passed: Counter[str]) -> Iterator[Entry]:
    """The best scored of each category, the highest first, of equals the earlier one. Holds `top` conversations a category.

    passed: takes the reasons of conversations that no prompt can be made of. Raises InputError for rows of another schema.
    """
    numbers = iter(range(1, 1 << 62))
    best: dict[str, list[tuple[float, int, _Scored]]] = {}
    for found in rows_of(source, lambda row: _scored(row, next(numbers)), lambda row: str(row.number), as_is=True):  # fmt: skip
        passed.update([found.reason] if found.reason else [])
        for category, score in found.scores.items():
            heap = best.setdefault(category, [])
            # Numbers differ, so that no two conversations are compared.
            entry = (score, -found.number, found)
            if len(heap) < top:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)
    for category in sorted(best):
        for score, _, found in sorted(best[category], key=lambda each: each[:2], reverse=True):
            labels = {**found.labels, "moderation_score": f"{score:.6g}"}
            yield Entry(found.messages, category, None, f"{found.number}-{category}", labels)


def _scored(row: Row, number: int) -> _Scored:
    turns, moderation = (_listed(row, name) for name in COLUMNS)
    last = max((at for at, turn in enumerate(turns) if turn.get("role") == "user"), default=-1)
    said = [Message(role=_role(turn), content=str(turn.get("content") or "")) for turn in turns[: last + 1]]  # fmt: skip
    if last < 0:
        return _Scored(number, (), {}, {}, "no user turn")
    if not all(message["content"].strip() for message in said):
        return _Scored(number, (), {}, {}, "an empty turn")
    scores = moderation[last].get("category_scores") if last < len(moderation) else None
    if not isinstance(scores, Mapping) or not all(isinstance(s, (int, float)) for s in scores.values() if s is not None):  # fmt: skip
        what = f"openai_moderation[{last}] has no category_scores for the last user turn; it should have an entry for each turn of the conversation"
        raise RowError(what, "missing_field", "openai_moderation")
    labels = {k: str(row[k]) for k in ("conversation_hash", "language", "model", "toxic") if row.get(k) is not None}  # fmt: skip
    # The corpus writes some categories in two ways, side by side.
    told = {k.replace("/", "_").replace("-", "_"): float(s) for k, s in scores.items() if s is not None}  # fmt: skip
    if odd := next((k for k, score in told.items() if not isfinite(score)), None):
        what = f"openai_moderation[{last}]: the score of {short(odd)!r} is {told[odd]}, which is no score"
        raise RowError(what, "not_finite", "openai_moderation", told[odd])
    return _Scored(number, tuple(said), told, labels)


def _listed(row: Row, name: str) -> list[Mapping[str, object]]:
    value = row.get(name)
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        found = ", ".join(sorted(row))
        what = f"{name} is no list of objects: it is no row of {TITLE}, which has {', '.join(COLUMNS)}; this one has {short(found)}"
        raise RowError(what, "missing_field", name)
    return value


def _role(turn: Mapping[str, object]) -> str:
    role = str(turn.get("role"))
    if role not in ROLES:
        raise RowError(f"a turn's role is {short(role)!r}; known: {', '.join(ROLES)}", "unknown_choice", "role")  # fmt: skip
    return role
