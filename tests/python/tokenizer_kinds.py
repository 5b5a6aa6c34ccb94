"""Small tokenizers of every common kind, trained on the spot, and texts that tell them apart."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any
from unicodedata import category

import pytest
from hypothesis import strategies as st

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

ADDED = ["<think>", "</think>", "<|im_start|>", "<|im_end|>"]
WORDS = [
    "the",
    "a",
    "policy",
    "refuse",
    "comply",
    "S3",
    ".",
    ",",
    "hello",
    "world",
    "don't",
    "we'll",
    "Hello",
    "WORLD",
    "été",
    "naïve",
    "日本語",
    "привет",
    "😀",
    "3",
    "12",
    "2024",
    "x_y",
    "(z)",
    "fooBar",
    "ﬁne",
    "Straße",
    "1,000.50",
    "\tif",
    "http://a.b/c?d=e",
]

# Splitting patterns as published: GPT-2's (openai/gpt-2, Modified MIT), cl100k and o200k (openai/tiktoken, MIT), and
# those in the tokenizer files of Qwen2 and of Mistral-Nemo, tekken (both Apache-2.0).
LETTERS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
CAPITALS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
SHORT_FORMS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
CL100K = (
    SHORT_FORMS
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k and Llama 3": CL100K.replace("DIGITS", r"\p{N}{1,3}"),
    "Qwen 2": CL100K.replace("DIGITS", r"\p{N}"),
    "o200k": rf"{LETTERS}{SHORT_FORMS}?|{CAPITALS}{SHORT_FORMS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "tekken": rf"{LETTERS}|{CAPITALS}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
# The three of DeepSeek-R1's tokenizer file (MIT) hold line breaks themselves, not their escapes.
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    (
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
        "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
    ),
]
MENDED_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
# Kimi: from o200k, as in Kimi-K2 (Modified MIT). Bloom: from the tokenizer file of bigscience/bloom (BigScience RAIL 1.0).
REFUSED_PATTERNS = {
    "numbers whole": CL100K.replace("DIGITS", r"\p{N}+"),
    "numbers by twos": CL100K.replace("DIGITS", r"\p{N}{1,2}"),
    "Bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "marks are letters": CL100K.replace("DIGITS", r"\p{N}").replace(r"\p{L}+", r"[\p{L}\p{M}]+"),
    "Kimi": r"[\p{Han}]+|" + PATTERNS["o200k"].replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]"),
}


def corpus() -> list[str]:
    rng = random.Random(1)
    return [" ".join(rng.choice(WORDS) for _ in range(12)) for _ in range(300)]


def split(*patterns: str) -> Any:
    """Byte-level words by these patterns, one after the other."""
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*steps, last])


def byte_level(**options: Any) -> Any:
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False} | options)


def bpe(
    pre_tokenizer: Any, *, complete: bool = True, normalizer: Any = None, **options: Any
) -> Any:
    """complete: the vocabulary has all 256 bytes."""
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    special = [options["unk_token"]] if "unk_token" in options else []
    if options.get("byte_fallback"):
        special += [f"<0x{byte:02X}>" for byte in range(256)]
    affixes = {k: options[k] for k in options if k.startswith(("continuing", "end_of"))}
    trainer = trainers.BpeTrainer(
        vocab_size=500 + len(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if complete else [],
        special_tokens=special,
        show_progress=False,
        **affixes,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return with_added_tokens(tokenizer)


def characters(pre_tokenizer: Any, **options: Any) -> Any:
    """A BPE over characters, with a token for the unknown."""
    return bpe(pre_tokenizer, complete=False, **{"unk_token": "<unk>"} | options)


def with_added_tokens(tokenizer: Any, **flags: bool) -> Any:
    """Without the trainer's own added tokens, with `ADDED`."""
    config = json.loads(tokenizer.to_str())
    config["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(config))
    flags = {"normalized": False, "special": False} | flags
    tokenizer.add_tokens([AddedToken(text, **flags) for text in ADDED])
    return tokenizer


def unigram(pre_tokenizer: Any, normalizer: Any = None, *, byte_fallback: bool = False) -> Any:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256) if byte_fallback)]
    trainer = trainers.UnigramTrainer(
        vocab_size=200 + len(special),
        unk_token="<unk>",
        special_tokens=special,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    config = json.loads(tokenizer.to_str())
    config["model"]["byte_fallback"] = byte_fallback
    return with_added_tokens(Tokenizer.from_str(json.dumps(config)))


def words(model: Any, trainer: Any, pre_tokenizer: Any, normalizer: Any = None) -> Any:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    return with_added_tokens(tokenizer)


def word_piece(pre_tokenizer: Any, normalizer: Any = None) -> Any:
    model = models.WordPiece(unk_token="[UNK]")
    return words(model, trainers.WordPieceTrainer, pre_tokenizer, normalizer)


def word_level(pre_tokenizer: Any, normalizer: Any = None) -> Any:
    model = models.WordLevel(unk_token="[UNK]")
    return words(model, trainers.WordLevelTrainer, pre_tokenizer, normalizer)


def whole_words() -> Any:
    """The sandbox's kind: whole words with and without a space, all bytes, no merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = [w for w in WORDS if w.isascii() and w.isalpha()]
    both = [
        prefix + word for word in plain for prefix in ("", "Ġ") if prefix + word not in alphabet
    ]
    vocabulary = {token: index for index, token in enumerate([*both, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    tokenizer.pre_tokenizer = byte_level()
    return with_added_tokens(tokenizer)


def every_pair(pre_tokenizer: Any) -> Any:
    """A BPE that merges any two bytes of `between_others`, by shuffled ranks: splits show in its ids."""
    symbols = byte_symbols()
    plain = b" '.12abcAB"
    used = [symbols[byte] for byte in [*plain, *range(0x80, 0xC0), *range(0xC2, 0xF5)]]
    pairs = [(left, right) for left in used for right in used]
    random.Random(3).shuffle(pairs)
    vocabulary = {symbol: byte for byte, symbol in enumerate(symbols)}
    for left, right in pairs:
        vocabulary.setdefault(left + right, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
    tokenizer.pre_tokenizer = pre_tokenizer
    return tokenizer


def byte_symbols() -> list[str]:
    """The characters by which a byte-level vocabulary writes the 256 bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(b) if b in printable else chr(0x100 + others.index(b)) for b in range(256)]


Kinds = dict[str, Callable[[], Any]]
PT, N = pre_tokenizers, normalizers
DIGITS = PT.Digits(individual_digits=True)

BYTE_LEVEL: Kinds = {
    "whole words": whole_words,
    "ByteLevel": lambda: bpe(byte_level()),
    "ByteLevel, no regex": lambda: bpe(byte_level(use_regex=False)),
    "ByteLevel, whole words first": lambda: bpe(byte_level(), ignore_merges=True),
    "digits apart": lambda: bpe(PT.Sequence([DIGITS, byte_level()])),
    "DeepSeek": lambda: bpe(split(*DEEPSEEK)),
    "NFC": lambda: bpe(split(PATTERNS["Qwen 2"]), normalizer=N.NFC()),
    "NFD, accents stripped": lambda: bpe(
        byte_level(), normalizer=N.Sequence([N.NFD(), N.StripAccents()])
    ),
    "NFKC, lower case, Replace": lambda: bpe(
        byte_level(), normalizer=N.Sequence([N.NFKC(), N.Lowercase(), N.Replace("``", '"')])
    ),
    "NFKD, Nmt, Strip": lambda: bpe(
        byte_level(), normalizer=N.Sequence([N.Nmt(), N.NFKD(), N.Strip()])
    ),
    "Prepend": lambda: bpe(byte_level(), normalizer=N.Prepend("_")),
    "BertNormalizer": lambda: bpe(byte_level(), normalizer=N.BertNormalizer()),
    "added special": lambda: with_added_tokens(bpe(byte_level()), special=True),
    "added normalized": lambda: with_added_tokens(
        bpe(byte_level(), normalizer=N.Lowercase()), normalized=True
    ),
    "added lstrip": lambda: with_added_tokens(bpe(byte_level()), lstrip=True),
    "added rstrip": lambda: with_added_tokens(bpe(byte_level()), rstrip=True, special=True),
} | {name: lambda p=pattern: bpe(split(p)) for name, pattern in PATTERNS.items()}

# The crate refuses these files as they are.
MENDED: Kinds = {
    "bytes missing": lambda: bpe(byte_level(), complete=False),
    "bytes missing, whole words first": lambda: bpe(
        byte_level(), complete=False, ignore_merges=True
    ),
    "bytes missing, unknown": lambda: bpe(byte_level(), complete=False, unk_token="<unk>"),
    "bytes missing, unknown fused": lambda: bpe(
        byte_level(), complete=False, unk_token="<unk>", fuse_unk=True
    ),
    "bytes missing, Qwen 2": lambda: bpe(split(PATTERNS["Qwen 2"]), complete=False),
    "possessive pattern": lambda: bpe(split(MENDED_PATTERN)),
}

OTHERS: Kinds = {
    "Whitespace": lambda: characters(PT.Whitespace()),
    "Whitespace, unknown fused": lambda: characters(PT.Whitespace(), fuse_unk=True),
    "WhitespaceSplit": lambda: characters(PT.WhitespaceSplit()),
    "Whitespace, continued by ##": lambda: characters(
        PT.Whitespace(), continuing_subword_prefix="##"
    ),
    "BertPreTokenizer": lambda: characters(PT.BertPreTokenizer()),
    "Punctuation": lambda: characters(PT.Punctuation()),
    "Punctuation removed": lambda: characters(PT.Punctuation("removed")),
    "Digits": lambda: characters(PT.Digits(individual_digits=False)),
    "UnicodeScripts": lambda: characters(PT.UnicodeScripts()),
    "CharDelimiterSplit": lambda: characters(PT.CharDelimiterSplit("e")),
    "FixedLength": lambda: characters(PT.FixedLength(5)),
    "Split by a text": lambda: characters(PT.Split(" ", "merged_with_next")),
    "Sequence": lambda: characters(
        PT.Sequence([PT.WhitespaceSplit(), PT.Punctuation(), PT.Digits(individual_digits=True)])
    ),
    "Metaspace": lambda: characters(PT.Metaspace()),
    "Metaspace, first": lambda: characters(PT.Metaspace(prepend_scheme="first")),
    "Metaspace, whole": lambda: characters(PT.Metaspace(prepend_scheme="never", split=False)),
    "Llama 2": lambda: characters(
        PT.Split(" ", "merged_with_previous"),
        byte_fallback=True,
        fuse_unk=True,
        normalizer=N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]),
    ),
    "Unigram": lambda: unigram(PT.Metaspace()),
    "Unigram, bytes": lambda: unigram(PT.Metaspace(), byte_fallback=True),
    "Unigram, T5": lambda: unigram(PT.Sequence([PT.WhitespaceSplit(), PT.Metaspace()])),
    "WordPiece": lambda: word_piece(PT.BertPreTokenizer(), N.BertNormalizer()),
    "WordPiece, cased": lambda: word_piece(PT.Whitespace()),
    "WordLevel": lambda: word_level(PT.Whitespace()),
    "WordLevel, Bert": lambda: word_level(PT.BertPreTokenizer(), N.BertNormalizer(lowercase=False)),
}

REFUSED: Kinds = {
    "prefix space": lambda: bpe(byte_level(add_prefix_space=True)),
    "Replace by regex": lambda: bpe(byte_level(), normalizer=N.Replace(Regex(r"\s+"), " ")),
    "end of word": lambda: characters(PT.Whitespace(), end_of_word_suffix="</w>"),
    "added single word": lambda: with_added_tokens(bpe(byte_level()), single_word=True),
} | {name: lambda p=pattern: bpe(split(p)) for name, pattern in REFUSED_PATTERNS.items()}

TAKEN = BYTE_LEVEL | MENDED | OTHERS

# Joined and abutting: contractions, runs of digits and white space, scripts, emoji joined by
# zero-width joiners, controls, combining marks, letters without case or with two.
SPACES = [" ", "  ", "   ", " " * 30, "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u3000", "\u2028"]
CONTROLS = ["\x00", "\x85", "\u200b", "\u200d", "\ufeff", "\u0300", "\ue000", "e\u0301"]
MARKS = [
    "'s",
    "'S",
    "'ſ",
    "'LL",
    "'re",
    "’s",
    "12345",
    "٣٤٥",
    "½",
    "²",
    "<think",
    "think>",
    "é",
    "カタカナ",
    "한국어",
    "👩\u200d👩\u200d👧",
    "🇩🇪",
    "--",
    "...",
    "!!!",
    "/",
    "\\",
    '"',
    "ǅ",
    "İ",
    "ß",
    "ﬃ",
    "Å",
    "ʰ",
    "ª",
    "中文。",
    "हिन्दी",
    "ไทย",
    "العربية",
    "עברית",
    "_",
    "▁",
    "Ġ",
    "`",
    "``",
    "ẞ",
]
SHOUTED = [text.upper() for text in ADDED]
PIECE = st.one_of(
    st.sampled_from([*WORDS, *ADDED, *SHOUTED, *SPACES, *CONTROLS, *MARKS, "a" * 40]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
TEXTS = st.lists(st.lists(PIECE, max_size=12).map("".join), max_size=5)


def between_others(stride: int, offset: int) -> list[str]:
    """Each `stride`-th character of the assigned planes, between letters, spaces, digits and marks."""
    texts = []
    for code in [*range(offset, 0x33480, stride), *range(0xE0000 + offset, 0xE0200, stride)]:
        c = chr(code)
        if category(c) not in ("Cs", "Co"):
            texts.append(f"a{c}b {c}{c} 1{c}2.{c}'b A{c}B {c}a\u0301{c}\u0327")
    return texts
