"""The choice of examples as it reads on paper: plain loops over rows that are all in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from dalign import _core
from dalign.config import Select

Row = dict[str, Any]


class Naive(NamedTuple):
    """Ids of the examples' completions, and (id, category, reason, detail) of the others, both in the rows' order."""

    chosen: list[str]
    dropped: list[tuple[str, str, str, str]]


def naive_select(rows: Sequence[Row], settings: Select, policies: dict[str, str]) -> Naive:
    """The choice but for the draw of `max_examples`, which is by lot."""
    dropped: dict[str, tuple[str, str]] = {}
    candidates = []
    for row in rows:
        refusal = _refusal(row, settings, policies.get(row["category"], ""))
        if refusal is None:
            candidates.append(row)
        else:
            dropped[row["id"]] = refusal
    candidates.sort(key=lambda row: (-row["score"], _core.row_id([row["id"]], "example", 0)))
    first: dict[str, str] = {}
    taken: dict[str, int] = {}
    chosen = set()
    for row in candidates:
        asked = "\n".join(f"{turn['role']}: {turn['content']}" for turn in row["messages"])
        text = " ".join(f"{asked}\n{row['reasoning']}\n{row['answer']}".split())
        if text in first:
            dropped[row["id"]] = ("duplicate", f"of {first[text]}")
            continue
        first[text] = row["id"]
        taken[row["prompt_id"]] = taken.get(row["prompt_id"], 0) + 1
        if taken[row["prompt_id"]] > settings.per_prompt:
            dropped[row["id"]] = ("surplus", f"more than {settings.per_prompt} of one prompt")
        else:
            chosen.add(row["id"])
    return Naive(
        [row["id"] for row in rows if row["id"] in chosen],
        [(row["id"], row["category"], *dropped[row["id"]]) for row in rows if row["id"] in dropped],
    )


def _refusal(row: Row, settings: Select, policy: str) -> tuple[str, str] | None:
    if row["score"] is None:
        return "unjudged", f"{row['n_valid'] or 0} valid verdicts"
    if row["score"] < settings.threshold:
        return "below_threshold", f"score {row['score']} < {settings.threshold}"
    run = _recited(row["answer"], policy, row["asked"])
    return None if run is None else ("policy_in_answer", run)


def _recited(answer: str, policy: str, asked: str) -> str | None:
    """The longest run of words all of whose runs of eight stand in the policy and not in what was asked."""
    known = _eights(policy) - _eights(asked)
    places = [match.span() for match in re.finditer(r"\w+", answer)]
    words = [answer[start:end].lower() for start, end in places]
    hits = [tuple(words[i : i + 8]) in known for i in range(max(0, len(words) - 7))]
    best: tuple[int, int] | None = None
    i = 0
    while i < len(hits):
        end = i
        while end < len(hits) and hits[end]:
            end += 1
        if end > i and (best is None or end - i > best[1] - best[0]):
            best = (i, end)
        i = max(end, i + 1)
    return None if best is None else answer[places[best[0]][0] : places[best[1] + 6][1]]


def _eights(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}
