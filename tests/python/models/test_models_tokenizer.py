"""Ids in one buffer, equal to the reference's whichever of the two ways they are made."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dalign.errors import InputError, MissingExtraError
from dalign.models.checkpoint import own_tokenizer
from dalign.models.tokenizer import Tokenizer, open_tokenizer
from dalign.spec.token_count import token_count
from hypothesis import given, settings
from tokenizer_kinds import REFUSED, TAKEN, TEXTS, bpe, byte_level

tokenizers = pytest.importorskip("tokenizers")

# Letters of Unicode 17 between settled texts: first, last, two in a row, and with nothing around.
NEWER = ["\U00010940", "a \U00010941 b", "plain", "", "c\ua7cec", "\U00010940\U00010941", "end"]


def load(tokenizer: Any, path: Path) -> tuple[Any, Tokenizer]:
    tokenizer.save(str(path))
    return tokenizers.Tokenizer.from_file(str(path)), open_tokenizer(path)


@pytest.fixture(scope="module", params=[*TAKEN, *REFUSED])
def both(request: Any, tmp_path_factory: Any) -> tuple[Any, Tokenizer]:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    return load((TAKEN | REFUSED)[request.param](), path)


def check_equal(both: tuple[Any, Tokenizer], texts: list[str]) -> None:
    reference, tokenizer = both
    ids, offsets = tokenizer.encode(texts)
    assert (ids.dtype, offsets.dtype) == (np.uint32, np.uint64)
    expected = [
        encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)
    ]
    assert [ids[start:end].tolist() for start, end in pairwise(offsets.tolist())] == expected


@settings(max_examples=20, deadline=None)
@given(texts=TEXTS)
def test_every_text_has_the_ids_of_the_reference(
    both: tuple[Any, Tokenizer], texts: list[str]
) -> None:
    check_equal(both, texts)


def test_letters_of_a_newer_unicode_have_the_ids_of_the_reference(
    both: tuple[Any, Tokenizer],
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
        assert flat.encode(["the policy we refuse"])[0].tolist() == plain


def test_a_column_and_a_list_have_the_same_ids_and_counts(both: tuple[Any, Tokenizer]) -> None:
    reference, tokenizer = both
    for texts in (NEWER, []):
        column = pl.Series(texts, dtype=pl.String)
        for one, other in zip(tokenizer.encode(texts), tokenizer.encode(column), strict=True):
            assert one.tolist() == other.tolist()
        expected = [len(reference.encode(text, add_special_tokens=False).ids) for text in texts]
        assert tokenizer.count(texts).to_list() == expected
        assert tokenizer.count(column).to_list() == expected


def test_a_folder_with_a_tokenizer_file_is_that_file(tmp_path: Path) -> None:
    _, by_file = load(bpe(byte_level()), tmp_path / "tokenizer.json")
    assert open_tokenizer(tmp_path).note == by_file.note


@pytest.mark.parametrize("without", ["tokenizer.json that can be read", "tokenizer.json"])
def test_a_folder_without_a_readable_file_is_tokenised_by_its_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"of another kind")
    if without != "tokenizer.json":
        (tmp_path / "tokenizer.json").write_text("{}")
    trusted = []

    def own(folder: Path, trust_remote_code: bool) -> Any:
        trusted.append((folder, trust_remote_code))
        return lambda texts, **_: {"input_ids": [[7] * len(text) for text in texts]}

    monkeypatch.setattr("dalign.models.tokenizer.own_tokenizer", own)
    tokenizer = open_tokenizer(tmp_path, True)
    assert trusted == [(tmp_path, True)]
    assert f"{tmp_path} is tokenised by the model's own code: " in tokenizer.note
    ids, offsets = tokenizer.encode(["ab", "", "c"])
    assert (ids.tolist(), offsets.tolist()) == ([7, 7, 7], [0, 2, 2, 3])


def test_a_tokenizer_without_a_chat_template_is_opened_by_its_own_code(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=bpe(byte_level()))
    text = "the policy we refuse"
    expected = fast(text, add_special_tokens=False)["input_ids"]
    fast.save_pretrained(str(tmp_path))
    assert own_tokenizer(tmp_path, False)(text, add_special_tokens=False)["input_ids"] == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", "gone: no such file; name a tokenizer.json, or a folder that has one"),
        (".", "tokenizer.json: no such file; name a tokenizer.json, or a folder that has one"),
        ("tokenizer.txt", "tokenizer.txt: not a tokenizer .*; name a tokenizer.json"),
    ],
)
def test_what_is_no_tokenizer_is_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "tokenizer.txt").write_text("{}")
    with pytest.raises(InputError, match=message):
        open_tokenizer(tmp_path / name)


def test_without_the_package_the_core_alone_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(bpe(byte_level()), tmp_path / "taken.json")
    load(REFUSED["Bloom"](), tmp_path / "refused.json")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    taken = open_tokenizer(tmp_path / "taken.json")
    assert taken.count(["the policy", ""])[1] == 0
    with pytest.raises(MissingExtraError, match=r"needs the package tokenizers; .*dalign\[train\]"):
        taken.encode(NEWER)
    with pytest.raises(MissingExtraError, match=r"refused\.json.*needs the package tokenizers"):
        open_tokenizer(tmp_path / "refused.json")


def test_a_file_that_the_core_refuses_is_packed_and_counted_all_the_same(
    tmp_path: Path, dalign: Any
) -> None:
    reference, _ = load(REFUSED["Bloom"](), tmp_path / "tokenizer.json")
    text = "the policy we refuse"
    ids = reference.encode(text, add_special_tokens=False).ids
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": text, "completion": text}) + "\n")
    tokenizer = ("--tokenizer", tmp_path / "tokenizer.json")
    packed = tmp_path / "bins.parquet"
    code, _, stderr = dalign("data", "pack", rows, packed, *tokenizer, "--capacity", 99)
    assert code == 0, stderr
    assert pl.read_parquet(packed)["input_ids"][0].to_list() == ids + ids
    kept = ("--text-field", "completion", "--no-tags", "--min-tokens", len(ids))
    code, _, stderr = dalign("data", "filter", rows, tmp_path / "kept.jsonl", *tokenizer, *kept)
    assert code == 0, stderr
    assert token_count(tmp_path)(text) == len(ids)
