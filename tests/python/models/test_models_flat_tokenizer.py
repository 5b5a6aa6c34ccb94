"""Ids in one buffer, equal to the reference's whichever of the two ways they are made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dalign.models.flat_tokenizer import FlatTokenizer
from hypothesis import given, settings
from tokenizer_kinds import REFUSED, TAKEN, TEXTS, bpe, byte_level

tokenizers = pytest.importorskip("tokenizers")

# Letters of Unicode 17 between settled texts: first, last, two in a row, and with nothing around.
NEWER = ["\U00010940", "a \U00010941 b", "plain", "", "c\ua7cec", "\U00010940\U00010941", "end"]


def never(texts: Sequence[str]) -> Any:
    raise AssertionError(f"the model's own code was asked for {texts}")


def load(tokenizer: Any, path: Path) -> tuple[Any, FlatTokenizer]:
    tokenizer.save(str(path))
    return tokenizers.Tokenizer.from_file(str(path)), FlatTokenizer(path, never)


@pytest.fixture(scope="module", params=[*TAKEN, *REFUSED])
def both(request: Any, tmp_path_factory: Any) -> tuple[Any, FlatTokenizer]:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    return load((TAKEN | REFUSED)[request.param](), path)


def check_equal(both: tuple[Any, FlatTokenizer], texts: list[str]) -> None:
    reference, tokenizer = both
    ids, offsets = tokenizer(texts)
    assert (ids.dtype, offsets.dtype) == (np.uint32, np.uint64)
    expected = [
        encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)
    ]
    assert [ids[start:end].tolist() for start, end in pairwise(offsets.tolist())] == expected


@settings(max_examples=20, deadline=None)
@given(texts=TEXTS)
def test_every_text_has_the_ids_of_the_reference(
    both: tuple[Any, FlatTokenizer], texts: list[str]
) -> None:
    check_equal(both, texts)


def test_letters_of_a_newer_unicode_have_the_ids_of_the_reference(
    both: tuple[Any, FlatTokenizer],
) -> None:
    check_equal(both, NEWER)
    check_equal(both, NEWER[2:])


def test_a_file_that_the_core_refuses_is_tokenised_by_the_package_and_the_note_says_why(
    tmp_path: Path,
) -> None:
    _, taken = load(bpe(byte_level()), tmp_path / "tokenizer.json")
    assert taken.note == f"{tmp_path / 'tokenizer.json'} is tokenised by the Rust core"
    _, mended = load(bpe(byte_level(), complete=False), tmp_path / "mended.json")
    assert "by the Rust core; " in mended.note and "of the 256 bytes have no token" in mended.note
    _, refused = load(REFUSED["numbers whole"](), tmp_path / "refused.json")
    assert "by the package tokenizers: " in refused.note
    assert r"\p{N}+ would be taken for \p{N}{1,3}" in refused.note


def test_truncation_and_padding_that_the_file_asks_for_are_left_out(tmp_path: Path) -> None:
    for name, tokenizer in {"taken": bpe(byte_level()), "refused": REFUSED["Bloom"]()}.items():
        plain = tokenizer.encode("the policy we refuse").ids
        tokenizer.enable_truncation(2)
        tokenizer.enable_padding(length=30)
        _, flat = load(tokenizer, tmp_path / f"{name}.json")
        assert flat(["the policy we refuse"])[0].tolist() == plain


def test_a_model_without_a_tokenizer_file_is_tokenised_by_its_own_code(tmp_path: Path) -> None:
    tokenizer = FlatTokenizer(
        tmp_path / "tokenizer.json", lambda texts: [[7] * len(t) for t in texts]
    )
    assert "is tokenised by the model's own code" in tokenizer.note
    ids, offsets = tokenizer(["ab", "", "c"])
    assert (ids.tolist(), offsets.tolist()) == ([7, 7, 7], [0, 2, 2, 3])
