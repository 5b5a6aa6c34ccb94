"""Token ids equal to those of the package `tokenizers`, which every trainer uses."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
import polars as pl
import pytest
from dalign import _core
from hypothesis import given, settings
from hypothesis import strategies as st

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Regex, models, pre_tokenizers, trainers

ADDED = ["<think>", "</think>", "<|im_start|>", "<|im_end|>"]
WORDS = ["the", "a", "policy", "refuse", "comply", "S3", ".", ",", "hello", "world"]
QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def with_added_tokens(tokenizer: Any) -> Any:
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in ADDED])
    return tokenizer


def whole_words() -> Any:
    """The sandbox's kind: whole words with and without a space, all bytes, no merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [
        prefix + word for word in WORDS for prefix in ("", "Ġ") if prefix + word not in alphabet
    ]
    vocabulary = {token: index for index, token in enumerate([*words, *alphabet])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return with_added_tokens(tokenizer)


def trained(pre_tokenizer: Any, alphabet: list[str]) -> Any:
    """A byte-level BPE with merges."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    corpus = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))] * 3
    tokenizer.train_from_iterator(corpus, trainer)
    return with_added_tokens(tokenizer)


KINDS: dict[str, Callable[[], Any]] = {
    "whole words": whole_words,
    "merges": lambda: trained(
        pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.ByteLevel.alphabet()
    ),
    "split by Qwen's pattern": lambda: trained(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        pre_tokenizers.ByteLevel.alphabet(),
    ),
    "digits apart": lambda: trained(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        ),
        pre_tokenizers.ByteLevel.alphabet(),
    ),
}


@pytest.fixture(scope="module", params=list(KINDS))
def both(request: Any, tmp_path_factory: Any) -> tuple[Any, _core.Tokenizer]:
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    KINDS[request.param]().save(str(path))
    return tokenizers.Tokenizer.from_file(str(path)), _core.Tokenizer.from_file(path)


def check_equal(both: tuple[Any, _core.Tokenizer], texts: list[str]) -> None:
    reference, tokenizer = both
    ids, offsets = tokenizer.encode(pl.Series(texts, dtype=pl.String))
    assert ids.dtype == np.uint32
    assert offsets.dtype == np.uint64
    found = [ids[start:end].tolist() for start, end in pairwise(offsets)]
    expected = reference.encode_batch(texts, add_special_tokens=False)
    assert found == [encoding.ids for encoding in expected]


# Which characters are letters depends on the version of Unicode; each library has its own.
ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
PIECE = st.one_of(
    st.sampled_from(
        [*WORDS, *ADDED, " ", "  ", "\n", "'s", "12", "<think", "é", "日本", "🙂", "\u200d"]
    ),
    st.text(ASSIGNED, max_size=5),
)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.lists(PIECE, max_size=12).map("".join), max_size=5))
def test_ids_equal_the_reference_on_any_text(
    both: tuple[Any, _core.Tokenizer], texts: list[str]
) -> None:
    check_equal(both, texts)


def test_ids_equal_the_reference_on_every_character_of_the_basic_plane(
    both: tuple[Any, _core.Tokenizer],
) -> None:
    assigned = [c for c in map(chr, range(0x10000)) if category(c) not in ("Cs", "Cn")]
    check_equal(both, ["".join(assigned[i : i + 61]) for i in range(0, len(assigned), 61)])


def test_added_tokens_have_the_ids_that_the_reference_gives(
    both: tuple[Any, _core.Tokenizer],
) -> None:
    reference, tokenizer = both
    ids, offsets = tokenizer.encode(pl.Series(ADDED))
    assert ids.tolist() == [reference.token_to_id(text) for text in ADDED]
    assert offsets.tolist() == [0, 1, 2, 3, 4]


def test_no_text_has_no_ids(both: tuple[Any, _core.Tokenizer]) -> None:
    ids, offsets = both[1].encode(pl.Series([], dtype=pl.String))
    assert (ids.tolist(), offsets.tolist()) == ([], [0])


def test_a_byte_that_the_vocabulary_lacks_is_left_out_and_moves_no_id(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    trained(pre_tokenizers.ByteLevel(add_prefix_space=False), []).save(str(path))
    both = tokenizers.Tokenizer.from_file(str(path)), _core.Tokenizer.from_file(path)
    # The corpus has neither Z nor any byte above 127; no merge could bridge these gaps.
    check_equal(both, ["", "ZZ", "the Z policy", "<think>é hello</think>Z", " worldé"])
