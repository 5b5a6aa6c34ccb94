"""Reasoning rollouts as JSONL: well formed and not, short and long, new and seen before."""

from __future__ import annotations

import json
import random
from pathlib import Path

CATEGORIES = ("benign", "erotica", "extremism", "harassment", "privacy", "self-harm", "violence")
CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"
FOREIGN = ("naïve", "Straße", "économie", "日本語", "добрый", "🙂")
ENDINGS = (".", ".", ".", "?", "!", ".\n", '; so it is "so".\n\n', ":\t")
# How many of the latest completions a repeat is drawn from.
REMEMBERED = 4096


def words(source: random.Random, count: int) -> list[str]:
    """Made-up words of one to four syllables, so that no text means anything."""
    syllables = [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]
    return ["".join(source.choices(syllables, k=source.randint(1, 4))) for _ in range(count)]


class Sentences:
    """Sentences as they stand in a JSON string, in UTF-8 and with every other letter escaped."""

    def __init__(self, source: random.Random, count: int):
        vocabulary = words(source, 6000)
        self.utf8: list[str] = []
        self.ascii: list[str] = []
        for nth in range(count):
            chosen = source.choices(vocabulary, k=source.randint(7, 22))
            if nth % 40 == 0:
                chosen[3] = source.choice(FOREIGN)
            text = " ".join(chosen).capitalize() + source.choice(ENDINGS)
            self.utf8.append(json.dumps(text, ensure_ascii=False)[1:-1])
            self.ascii.append(json.dumps(text)[1:-1])
        self.count = count

    def draw(self, source: random.Random, count: int) -> tuple[int, ...]:
        return tuple(int(source.random() * self.count) for _ in range(count))

    def joined(self, chosen: tuple[int, ...], *, escaped: bool) -> str:
        texts = self.ascii if escaped else self.utf8
        return " ".join([texts[which] for which in chosen])


def shaped(kind: float, reasoning: str, answer: str) -> str:
    """A completion by a number in 0..1: nine of ten well formed, the rest each broken in one way."""
    if kind < 0.90:
        return f"<think>{reasoning}</think>{answer}"
    broken = (
        f"{reasoning}</think>{answer}",
        f"<think>{reasoning} {answer}",
        f"<think> </think>{answer}",
        f"<think>{reasoning}</think> \\n",
        f"<think>{reasoning}</think>{answer}</think>{answer}",
    )
    return broken[min(int((kind - 0.90) * 50), 4)]


def write_rollouts(path: Path, n: int, seed: int, mean_sentences: float = 12.0) -> None:
    """Rows of id, category, prompt and completion; about 1.2 KB each at twelve sentences.

    A tenth repeat one of the latest completions; one repeat in ten writes the same text with other
    JSON escapes, so that equality of bytes is not equality of texts.
    """
    source = random.Random(seed)
    sentences = Sentences(source, 20_000)
    recent: list[tuple[float, tuple[int, ...], tuple[int, ...]]] = []
    with path.open("w", encoding="utf-8") as out:
        for row in range(n):
            repeats = bool(recent) and source.random() < 0.1
            if repeats:
                completion = recent[int(source.random() * len(recent))]
            else:
                count = max(2, round(source.lognormvariate(0, 0.5) * 0.88 * mean_sentences))
                answer = max(1, count // 4)
                completion = (
                    source.random(),
                    sentences.draw(source, max(1, count - answer)),
                    sentences.draw(source, answer),
                )
                if len(recent) < REMEMBERED:
                    recent.append(completion)
                else:
                    recent[int(source.random() * REMEMBERED)] = completion
            kind, reasoning, reply = completion
            escaped = source.random() < (0.1 if repeats else 0.01)
            text = shaped(
                kind,
                sentences.joined(reasoning, escaped=escaped),
                sentences.joined(reply, escaped=escaped),
            )
            prompt = sentences.utf8[int(source.random() * sentences.count)]
            category = CATEGORIES[row % len(CATEGORIES)]
            out.write(
                f'{{"id": "row-{row}", "category": "{category}", "prompt": "{prompt}", "completion": "{text}"}}\n'
            )
