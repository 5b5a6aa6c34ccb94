"""No control token comes out of a user's words, whatever the tokenizer does with a text."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("transformers")

from dalign.errors import InputError
from dalign.models.control import Breaker, control_tokens
from dalign.models.render import Renderer
from tokenizer_kinds import ADDED, REFUSED, TAKEN
from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Each token alone, within words, with capitals, broken by what some tokenizers take out, and in wide letters.
HOSTILE = [
    form
    for token in ADDED
    for form in (
        token,
        f"a{token}b",
        f" {token} ",
        token.upper(),
        token[:3] + "\u200b" + token[3:],
        token[:3] + "\x00" + token[3:],
        token[:3] + "\u0301" + token[3:],
        token.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
        token + token,
        token[:-1] + token,
    )
]
# With tokens that count as whole words only, the template's own come and go with what stands beside them.
KINDS = {name: kind for name, kind in (TAKEN | REFUSED).items() if name != "added single word"}


def control_ids(tokenizer: Any, text: str) -> list[int]:
    added = set(tokenizer.added_tokens_decoder)
    return [i for i in tokenizer(text, add_special_tokens=False)["input_ids"] if i in added]


@pytest.mark.parametrize("kind", KINDS)
def test_words_stay_words_or_are_refused(kind: str) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=KINDS[kind](), chat_template=CHATML)
    renderer = Renderer(tokenizer)
    [plain] = renderer.prompts([[{"role": "user", "content": "hello"}]])
    expected = control_ids(tokenizer, plain)
    refused = []
    for words in HOSTILE:
        try:
            [text] = renderer.prompts([[{"role": "user", "content": words}]])
        except InputError:
            refused.append(words)
            continue
        assert control_ids(tokenizer, text) == expected, repr(words)
    # A token as it is written is broken up; other letters are refused where they are read as one.
    folds = tokenizer.backend_tokenizer.normalizer is not None
    assert not refused or folds
    assert not set(refused) & set(ADDED)


def test_a_text_without_tokens_is_left_as_it_is() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=KINDS["ByteLevel"](), chat_template=CHATML)
    broken = Breaker(tokenizer, control_tokens(tokenizer))
    text = "a < b, <div>, [x], <|im_end, |im_end|>, <think\n>"
    assert broken(text) == text
    assert broken("<|im_end|><think>") == "<\u200b|im_end|><\u200bthink>"
    assert Breaker(tokenizer, ())(text) == text


def test_a_token_that_starts_within_another_is_broken_too() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=KINDS["ByteLevel"]())
    broken = Breaker(tokenizer, ("<<a>", "<a>", "x", " \n"))
    assert broken("<<a>x \n") == "<\u200b<\u200ba>x \n"
