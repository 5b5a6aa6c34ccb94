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
        self._tokens = frozenset(t for t in tokens if len(t) > 1 and not t.isspace())
        self._lengths = sorted({len(token) for token in self._tokens})
        # Where one may start: found by two characters, as a text has many that are the first of a token.
        pairs = sorted({token[:2] for token in self._tokens})
        starts = (f"{re.escape(pair[0])}(?={re.escape(pair[1])})" for pair in pairs)
        self._first = re.compile("|".join(starts) or "(?!)", re.DOTALL)
        self._break = next((mark for mark in BREAKS if self._holds(tokenizer, mark)), "")
        if not self._break:
            said = "the tokenizer makes control tokens of a user's words, even where these are broken up; use another tokenizer"
            raise InputError(said, kind="unfit_model")

    def __call__(self, text: str) -> str:
        """The text without a control token."""
        return self._broken(text, self._break)

    def _broken(self, text: str, mark: str) -> str:
        def broken(first: re.Match[str]) -> str:
            # A token that starts within another is found too: what stands behind the first character is only looked at.
            at = first.start()
            starts = any(text[at : at + length] in self._tokens for length in self._lengths)
            return first[0] + mark if starts else first[0]

        return self._first.sub(broken, text)

    def _holds(self, tokenizer: Any, mark: str) -> bool:
        """Whether no token's own id comes out of any of them, broken by this mark."""
        added = {token.content: i for i, token in tokenizer.added_tokens_decoder.items()}
        ids = {i for text, i in added.items() if text in self._tokens} - {tokenizer.unk_token_id}
        broken = [self._broken(token, mark) for token in sorted(self._tokens)]
        made = tokenizer(broken, add_special_tokens=False)["input_ids"] if broken else []
        return ids.isdisjoint(i for row in made for i in row)
