"""Control tokens: strings that a tokenizer gives a meaning to, kept out of the words of others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def special_token_ids(tokenizer: Any) -> frozenset[int]:
    """The ids of every special token, named or not."""
    added = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """The tokens that mark something, sorted: all special ones, and added ones that look so."""
    added = tokenizer.added_tokens_decoder.values()
    # Some tokenizers add runs of blanks or plain words too; only what looks like a marker is one.
    marking = (t.content for t in added if t.special or t.content.strip()[:1] in ("<", "[", "◁"))
    return tuple(sorted({text for text in marking if text.strip()}))


# What ends a turn in templates of many families.
_END = re.compile(
    r"(?:(?:<[|｜](?:im_end|end|return|eot|eom|eot_id|eom_id|end_of_text|endoftext|end_of_turn|end▁of▁sentence"
    r"|end_of_role|end_of_response|END_RESPONSE|END_OF_TURN_TOKEN|call|user|observation)[|｜]>"
    r"|</s>|<eos>|<turn\|>|<end_of_turn>|<end_of_utterance>|<EOS_TOKEN>)\s*)+\Z"
)


def without_end(text: str) -> str:
    """The text without the tokens at its end that ended the turn and leaked into it."""
    return _END.sub("", text)


class Breaker:
    """Breaks up tokens in a text by a zero-width space behind their first character, so that they are text again."""

    def __init__(self, tokens: Iterable[str]) -> None:
        """One of a single character cannot be broken up, and is left out."""
        found = sorted((t for t in tokens if len(t) > 1), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, found)) or r"(?!)")
        self._firsts = {token[0] for token in found}

    def __call__(self, text: str) -> str:
        """The text without any of the tokens."""
        if not any(first in text for first in self._firsts):
            return text
        return self._pattern.sub(lambda m: f"{m[0][0]}\u200b{m[0][1:]}", text)
