"""Control tokens: strings of which a tokenizer makes one id, broken up in the words of others so that they stay words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from dalign import _core
from dalign.errors import InputError
from dalign.models.checkpoint import ids_of
from dalign.text import short

# Behind a token's first character, what keeps it from being one: nothing to be seen, where the tokenizer lets it stand.
BREAKS = ("\u200b", " ")


def special_token_ids(tokenizer: Any) -> frozenset[int]:
    """The ids of every special token, named or not."""
    added = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def control_tokens(tokenizer: Any) -> frozenset[str]:
    """The added tokens that are special, stand in the chat template's own text, or have a marker's shape (`_core.Markers`).

    Others, such as Gemma's `<h1>`, blanks and plain words, are words that a tokenizer has as a whole.
    """
    template, shapes = tokenizer.get_chat_template(), _core.Markers([])
    added = [(t.content, t.special) for t in tokenizer.added_tokens_decoder.values()]
    return frozenset(
        text
        for text, special in added
        if text.strip()
        and (
            special
            or (text in template and not text.strip().isalnum())
            or shapes.broken(text) != text
        )
    )


# What ends a turn in templates of many families.
_ENDS = (
    r"<[|｜](?:im_end|end|return|eot|eom|eot_id|eom_id|end_of_text|endoftext|end_of_turn|end▁of▁sentence"
    r"|end_of_role|end_of_response|end_of_solution|END_RESPONSE|END_OF_TURN_TOKEN|call|user|observation)[|｜]>"
    r"|</s>|<eos>|<turn\|>|<end_of_turn>|<end_of_utterance>|<EOS_TOKEN>"
)


def without_end(text: str, own: Iterable[str] = ()) -> str:
    """The text without the tokens at its end that ended the turn and leaked into it. own: the model's, beside those of many."""
    own = [token for token in own if token.strip()]
    # A long text is not searched for what its last character rules out.
    lasts = (">", *(token.rstrip()[-1] for token in own))
    if not text.rstrip().endswith(lasts):
        return text
    ends = "|".join([_ENDS, *map(re.escape, own)])
    return re.sub(rf"(?:(?:{ends})\s*)+\Z", "", text)


class Breaker:
    """Breaks up these strings in a text.

    Raises InputError where the tokenizer mends what is broken, or makes one of them of other letters.
    """

    def __init__(self, tokenizer: Any, tokens: Iterable[str]) -> None:
        """tokens: blank ones and those of one character are left as they are."""
        self._tokens = frozenset(t for t in tokens if len(t) > 1 and not t.isspace())
        self._lengths = sorted({len(token) for token in self._tokens})
        # Where one may start: found by two characters, as a text has many that are the first of a token.
        pairs = sorted({token[:2] for token in self._tokens})
        starts = (f"{re.escape(pair[0])}(?={re.escape(pair[1])})" for pair in pairs)
        self._first = re.compile("|".join(starts) or "(?!)", re.DOTALL)
        self._normal = self._normalizer(tokenizer)
        self._break = next((mark for mark in BREAKS if self._holds(tokenizer, mark)), "")
        if not self._break:
            said = "the tokenizer makes control tokens of a user's words, even where these are broken up; use another tokenizer"
            raise InputError(said, kind="unfit_model")

    def __call__(self, text: str) -> str:
        """The text without a control token."""
        made = self._broken(text, self._break)
        if self._normal is not None and self._broken(read := self._normal(made), "\0") != read:
            said = f"the tokenizer makes a control token of other letters in {short(repr(text))}; take it out of the row"
            raise InputError(said, kind="bad_row")
        return made

    def _normalizer(self, tokenizer: Any) -> Callable[[str], str] | None:
        """What is made of a text before some of the tokens are looked for, such as small letters of capitals."""
        added = tokenizer.added_tokens_decoder.values()
        normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
        if normalizer is None or not any(t.normalized and t.content in self._tokens for t in added):
            return None
        normal: Callable[[str], str] = normalizer.normalize_str
        return normal

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
        made = ids_of(tokenizer, broken) if broken else []
        return ids.isdisjoint(i for row in made for i in row)
