"""Judge replies: a few sentences of opinion, then one score in one of several forms, or none."""

from __future__ import annotations

import json
import random
from pathlib import Path

OPINION = [
    "the",
    "answer",
    "keeps",
    "to",
    "the",
    "policy",
    "and",
    "names",
    "the",
    "clause",
    "that",
    "it",
    "rests",
    "on",
    "while",
    "it",
    "stays",
    "short",
    "clear",
    "polite",
    "useful",
    "and",
    "open",
    "about",
    "what",
    "it",
    "cannot",
    "do",
    "for",
    "the",
    "person",
    "who",
    "asked",
]
SHARES = (0.40, 0.15, 0.25, 0.13, 0.05, 0.02)


def forms(opinion: str, score: int) -> tuple[str, ...]:
    """The reply in each form, in the order of SHARES."""
    return (
        f"{opinion}.\n\nScore: {score}/10",
        f"{opinion}.\n\n**Rating:** {score}",
        f'{opinion}.\n```json\n{{"score": {score}, "reason": "see above"}}\n```',
        f"{opinion}.\n<score>{score}</score>",
        f'{{"reason": "{opinion}", "score": {score}}}',
        f"{opinion}.",
    )


def write_replies(path: Path, n: int, seed: int) -> None:
    """Lines of text, about 370 characters each."""
    source = random.Random(seed)
    opinions = [" ".join(source.choices(OPINION, k=68)) for _ in range(4000)]
    with path.open("w", encoding="utf-8") as out:
        for _ in range(n):
            (form,) = source.choices(range(len(SHARES)), SHARES)
            reply = forms(source.choice(opinions), source.randint(1, 10))[form]
            out.write(json.dumps({"text": reply}) + "\n")
