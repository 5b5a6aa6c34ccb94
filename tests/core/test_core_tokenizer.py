"""Token ids equal to those of the package `tokenizers`, which every trainer uses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dalign import _core
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_kinds import (
    ADDED,
    BYTE_LEVEL,
    DEEPSEEK,
    MENDED,
    PATTERNS,
    REFUSED,
    TAKEN,
    TEXTS,
    between_others,
    bpe,
    byte_level,
    byte_symbols,
    every_pair,
    split,
)

tokenizers = pytest.importorskip("tokenizers")

Both = tuple[Any, _core.Tokenizer]


def load(tokenizer: Any, path: Path) -> Both:
    tokenizer.save(str(path))
    return tokenizers.Tokenizer.from_file(str(path)), _core.Tokenizer.from_file(path)


@pytest.fixture(scope="module", params=list(TAKEN))
def both(request: Any, tmp_path_factory: Any) -> Both:
    return load(TAKEN[request.param](), tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


def check_equal(both: Both, texts: list[str]) -> None:
    """Ids are equal on every text that holds no character of newer tables of Unicode."""
    reference, tokenizer = both
    column = pl.Series(texts, dtype=pl.String)
    ids, offsets = tokenizer.encode(column)
    assert (ids.dtype, offsets.dtype, len(offsets)) == (np.uint32, np.uint64, len(texts) + 1)
    unsettled = set(_core.unsettled_rows(column).tolist())
    expected = reference.encode_batch_fast(texts, add_special_tokens=False)
    for row, (text, encoding, (start, end)) in enumerate(
        zip(texts, expected, pairwise(offsets.tolist()), strict=True)
    ):
        assert row in unsettled or ids[start:end].tolist() == encoding.ids, text


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_ids_equal_the_reference_on_any_text(both: Both, texts: list[str]) -> None:
    check_equal(both, texts)


@pytest.mark.parametrize("name", [*PATTERNS, "DeepSeek"])
def test_words_are_split_where_the_reference_splits_them(name: str, tmp_path: Path) -> None:
    patterns = DEEPSEEK if name == "DeepSeek" else [PATTERNS[name]]
    # Each pattern has another sixtieth of all characters, so that together they meet many.
    offset = [*PATTERNS, "DeepSeek"].index(name)
    both = load(every_pair(split(*patterns)), tmp_path / "tokenizer.json")
    check_equal(both, between_others(60, offset))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PATTERNS, "DeepSeek"])
def test_words_are_split_alike_at_every_character(name: str, tmp_path: Path) -> None:
    patterns = DEEPSEEK if name == "DeepSeek" else [PATTERNS[name]]
    both = load(every_pair(split(*patterns)), tmp_path / "tokenizer.json")
    texts = between_others(1, 0)
    for start in range(0, len(texts), 20_000):
        check_equal(both, texts[start : start + 20_000])


def test_few_characters_are_unsettled_and_no_common_script_has_one() -> None:
    common = ["é", "я", "ن", "ह", "ไ", "日", "か", "한", "🙂", "€", "—", "“", "½", "Ω", "א", "ə"]
    assert _core.unsettled_rows(pl.Series(common)).tolist() == []
    # The first and last of a run, and their neighbours.
    edges = ["\U0001093f", "\U00010940", "\U00010959", "\U0001095a"]
    assert _core.unsettled_rows(pl.Series(edges)).tolist() == [1, 2]
    every = pl.Series([chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000])
    assert len(_core.unsettled_rows(every)) < 6_000


@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_added_tokens_have_the_ids_that_the_reference_gives(name: str, tmp_path: Path) -> None:
    reference, tokenizer = load(BYTE_LEVEL[name](), tmp_path / "tokenizer.json")
    ids, offsets = tokenizer.encode(pl.Series(ADDED))
    assert [i for i in ids.tolist() if i in map(reference.token_to_id, ADDED)] == [
        reference.token_to_id(text) for text in ADDED
    ]
    assert len(offsets) == 5


def test_no_text_has_no_ids(both: Both) -> None:
    ids, offsets = both[1].encode(pl.Series([], dtype=pl.String))
    assert (ids.tolist(), offsets.tolist()) == ([], [0])


def test_bytes_that_the_vocabulary_lacks_let_their_neighbours_merge(tmp_path: Path) -> None:
    # "Z" has no token; "h" and "e" beside it merge, as they would without it.
    tokenizer = bpe(byte_level(), complete=False)
    both = load(tokenizer, tmp_path / "tokenizer.json")
    check_equal(both, ["", "ZZ", "hZello", "theZ policy", "<think>Zhello</think>Z", " worldé"])
    ids, _ = both[1].encode(pl.Series(["hZello", "hello"]))
    assert ids.tolist() == 2 * both[0].encode("hello").ids


@pytest.mark.parametrize("name", MENDED)
def test_what_was_mended_is_said(name: str, tmp_path: Path) -> None:
    note = load(MENDED[name](), tmp_path / "tokenizer.json")[1].note
    assert note is not None
    assert ("bytes have no token" in note) == ("missing" in name)


def test_a_whole_file_needs_no_mending(tmp_path: Path) -> None:
    assert load(bpe(byte_level()), tmp_path / "tokenizer.json")[1].note is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_would_be_encoded_otherwise_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    REFUSED[name]().save(str(path))
    with pytest.raises(_core.CoreError) as caught:
        _core.Tokenizer.from_file(path)
    assert caught.value.kind == "unsupported_tokenizer"


# Around 64 texts and 16 words, which are encoded at once, and around the longest word kept.
@pytest.mark.parametrize("words", [1, 15, 16, 17, 63, 64, 65, 2_000])
def test_words_met_again_have_the_ids_they_had(words: int, tmp_path: Path) -> None:
    both = load(bpe(byte_level()), tmp_path / "tokenizer.json")
    texts = [" ".join("ab" * (1 + (i * i) % 12) + str(i % 7) for i in range(words))] * 3
    check_equal(both, texts)
    check_equal(both, texts)


def test_a_word_of_a_megabyte_is_encoded_in_a_moment(tmp_path: Path) -> None:
    both = load(bpe(byte_level(), complete=False), tmp_path / "tokenizer.json")
    # Quadratic merging would take hours.
    ids, _ = both[1].encode(pl.Series(["helloZ" * 170_000]))
    assert len(ids) == 170_000 * len(both[0].encode("helloZ").ids)


# 9 MB are more than what goes straight into the result; the second text has more ids
# than bytes once it is normalized, so that the result has no room for the last of them.
@pytest.mark.parametrize("text", ["hello world, ", "\ufdfa"])
def test_a_large_column_is_its_rows(text: str, tmp_path: Path) -> None:
    tokenizer = bpe(byte_level(), normalizer=tokenizers.normalizers.NFKC())
    both = load(tokenizer, tmp_path / "tokenizer.json")
    rows = [(i % 1_000 * 20 // len(text.encode())) * text for i in range(1_000)]
    row_ids = [ids.tolist() for ids in (both[1].encode(pl.Series([row]))[0] for row in rows)]
    ids, offsets = both[1].encode(pl.Series(rows))
    assert sum(len(row.encode()) for row in rows) > 9_000_000
    assert offsets.tolist() == np.cumsum([0, *map(len, row_ids)]).tolist()
    assert ids.tolist() == [one for row in row_ids for one in row]
    assert row_ids[-1] == both[0].encode(rows[-1], add_special_tokens=False).ids


def test_a_space_is_written_as_byte_level_vocabularies_write_it() -> None:
    assert byte_symbols()[0x20] == "Ġ"


@given(texts=st.lists(st.text(max_size=8), max_size=6))
def test_the_unsettled_rows_of_a_column_are_those_that_are_so_alone(texts: list[str]) -> None:
    rows = [i for i, text in enumerate(texts) if len(_core.unsettled_rows(pl.Series([text])))]
    assert _core.unsettled_rows(pl.Series(texts, dtype=pl.String)).tolist() == rows
