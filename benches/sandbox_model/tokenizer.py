"""Builds the sandbox's tokenizer: one token a word of the language, bytes for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dalign.sandbox import language as lang

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# `<think>` must not be special: RL trainers decode without special tokens, and the tags would be lost.
TAGS = ("<think>", "</think>")
PAD, END = "<|pad|>", "<|end|>"
SPECIAL = (PAD, END, "<|system|>", "<|user|>", "<|assistant|>")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|> ' + message['content'] | trim + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


_OTHER_WORDS = (
    "policy general none : . ? the user wants to about applies is harmless no i will should answer broken "
    "reasoning cites decoded code decode heard of ok what it like recall fence conversation system assistant "
    "score judge 0 1 2"
)


def vocabulary() -> tuple[str, ...]:
    """Every word of the language, sorted."""
    words = {*_OTHER_WORDS.split(), *lang.REQUEST_WORDS, *lang.CODE.values(), *lang.CLAUSE_IDS}
    words |= {*lang.CATEGORIES, *lang.INTENTS, *lang.RULING_WORDS.values()}
    words |= {*lang.STYLE_KEYS.values(), *lang.ENDINGS, *lang.GREETINGS}
    wordings = (text for styles in lang.ANSWERS.values() for text in styles.values())
    words |= {word for text in wordings for word in text.split()}
    return tuple(sorted(words - {"", "{object}"}))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE whose words are taken whole (`ignore_merges`), as transformers loads it."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import PreTrainedTokenizerFast

    pieces = sorted(ByteLevel.alphabet())
    pieces += [f"Ġ{word}" for word in vocabulary() if f"Ġ{word}" not in pieces]
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(BPE(vocab=ids, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    )
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
