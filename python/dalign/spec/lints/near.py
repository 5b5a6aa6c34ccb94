"""Which of many short texts is nearly that one?"""

from __future__ import annotations

import re
from collections import defaultdict

# Share of words that two texts have in common, and words below which only the same ones are told.
THRESHOLD = 0.7
LEAST_WORDS = 6


class NearTexts:
    """Texts, each with what is said of it."""

    def __init__(self) -> None:
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._words: list[frozenset[str]] = []
        self._said: list[str] = []

    def add(self, text: str, said: str) -> None:
        """One more text."""
        words = frozenset(re.findall(r"\w+", text.casefold()))
        for word in words:
            self._by_word[word].append(len(self._words))
        self._words.append(words)
        self._said.append(said)

    def like(self, text: str) -> str:
        """What is said of the first text that has the same words, or nearly those; empty where there is none."""
        words = frozenset(re.findall(r"\w+", text.casefold()))
        # A text that shares seven words of ten shares one of the four rarest.
        rarest = sorted(words, key=lambda word: len(self._by_word.get(word, ())))
        some = rarest[: len(words) - int(THRESHOLD * len(words)) + 1]
        for nth in sorted({nth for word in some for nth in self._by_word.get(word, ())}):
            other = self._words[nth]
            shared = len(words & other) / len(words | other)
            if other == words or (shared >= THRESHOLD and min(len(words), len(other)) >= LEAST_WORDS):  # fmt: skip
                return self._said[nth]
        return ""
