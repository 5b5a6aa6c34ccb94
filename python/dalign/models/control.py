"""Control tokens in words: strings of which a tokenizer makes one id, broken up so that they stay words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dalign.errors import InputError

# Behind a token's first character, what keeps it from being one: nothing to be seen, where the tokenizer lets it stand.
BREAKS = ("\u200b", " ")


def control_tokens(tokenizer: Any) -> frozenset[str]:
    """The added tokens that are special, or that stand in the chat template's own text.

    Others, such as Gemma's `<h1>`, are words that a tokenizer has as a whole.
    """
    template = tokenizer.get_chat_template()
    added = tokenizer.added_tokens_decoder.values()
    return frozenset(t.content for t in added if t.special or t.content in template)


class Breaker:
    """Breaks up these strings in a text. Raises InputError where the tokenizer mends what is broken."""

    def __init__(self, tokenizer: Any, tokens: Iterable[str]) -> None:
        """tokens: blank ones and those of one character are left as they are."""
        # A token that starts within another is found too: what stands behind the first character is only looked at.
        behind: dict[str, set[str]] = {}
        for token in tokens:
            if len(token) > 1 and not token.isspace():
                behind.setdefault(token[0], set()).add(token[1:])
        starts = (
            f"{re.escape(first)}(?={'|'.join(map(re.escape, sorted(rests)))})"
            for first, rests in sorted(behind.items())
        )
        self._found = re.compile("|".join(starts) or "(?!)")
        whole = [first + rest for first, rests in behind.items() for rest in rests]
        self._break = next((mark for mark in BREAKS if self._holds(tokenizer, whole, mark)), "")
        if not self._break:
            said = "the tokenizer makes control tokens of a user's words, even where these are broken up; use another tokenizer"
            raise InputError(said, kind="unfit_model")

    def __call__(self, text: str) -> str:
        """The text without a control token."""
        return self._found.sub(rf"\g<0>{self._break}", text)

    def _holds(self, tokenizer: Any, tokens: list[str], mark: str) -> bool:
        """Whether no token's own id comes out of any of them, broken by this mark."""
        if not tokens:
            return True
        added = {token.content: i for i, token in tokenizer.added_tokens_decoder.items()}
        ids = {added[token] for token in tokens if token in added} - {tokenizer.unk_token_id}
        broken = [self._found.sub(rf"\g<0>{mark}", token) for token in tokens]
        made = tokenizer(broken, add_special_tokens=False)["input_ids"]
        return ids.isdisjoint(i for row in made for i in row)
