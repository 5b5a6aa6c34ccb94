"""What holds of any texts and ids, through the binding: beside plain definitions in Python."""

from __future__ import annotations

import re
import unicodedata

import polars as pl
import pyarrow as pa
import pytest
from dalign import _core
from dalign.duplicates import VISIBLE
from dalign.text import visible
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import flat

pytestmark = pytest.mark.filterwarnings("error")
few = settings(max_examples=60, deadline=None)

PIECES = ["<think>", "</think>", "a", "é 日", " ", "\n", "<", "think>", "S3"]
replies = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
TAG = re.compile("<think>|</think>")


def series(texts: list[str]) -> pl.Series:
    return pl.Series(texts, dtype=pl.String)


def parsed(texts: list[str], *, prefilled: bool = False, truncated: bool = False) -> pl.DataFrame:
    flags = pl.Series([truncated] * len(texts), dtype=pl.Boolean)
    return pl.DataFrame(
        _core.parse_completions(series(texts), "<think>", "</think>", prefilled, flags)
    )


@given(st.lists(replies, max_size=6), st.booleans())
@few
def test_only_a_block_at_the_start_and_an_answer_are_a_whole_completion(
    texts: list[str], prefilled: bool
) -> None:
    for text, row in zip(texts, parsed(texts, prefilled=prefilled).to_dicts(), strict=True):
        whole = f"<think>{text}" if prefilled else text
        tags = TAG.findall(whole)
        match = re.fullmatch(r"\s*<think>(.*)</think>(.*)", whole, re.DOTALL)
        well_formed = tags == ["<think>", "</think>"] and match is not None
        parts = (match[1].strip(), match[2].strip()) if well_formed and match else ("", "")
        assert (row["status"] == "ok") == (well_formed and all(parts))
        if row["status"] == "ok":
            assert (row["reasoning"], row["answer"]) == parts
        assert not TAG.search(row["answer"])


@given(st.lists(replies, max_size=6))
@few
def test_the_token_limit_goes_before_every_other_status(texts: list[str]) -> None:
    whole, cut = parsed(texts), parsed(texts, truncated=True)
    assert set(cut["status"]) <= {"truncated"}
    assert cut.drop("status").equals(whole.drop("status"))


@given(st.lists(st.sampled_from(["a", "a ", " a", "a  b", "a\tb", "a b", "ab", "", " "])))
@few
def test_a_copy_points_at_the_first_of_its_words(texts: list[str]) -> None:
    words = [tuple(text.split()) for text in texts]
    firsts = _core.exact_duplicates(series(texts)).tolist()
    assert firsts == [words.index(own) for own in words]


@given(st.lists(st.text(max_size=12), max_size=12), st.integers(0, 12))
@few
def test_every_form_of_a_text_column_gives_the_same(texts: list[str], cut: int) -> None:
    expected = _core.exact_duplicates(series(texts)).tolist()
    coded = pa.array(texts, pa.string()).dictionary_encode()
    chunked = pa.chunked_array([texts[:cut], [], texts[cut:]], pa.large_string())
    for column in (coded, chunked, series(texts).cast(pl.Categorical)):
        assert _core.exact_duplicates(column).tolist() == expected


numbers = st.integers(0, 100) | st.integers(0, 1000).map(lambda n: n / 100)
DIGITS = str.maketrans("0123456789.", "０１２３４５６７８９．")
ZERO_WIDTH = "\u200b"


@given(st.lists(numbers, min_size=1, max_size=4), st.sampled_from(["score: {}", "<score>{}</score>", '{{"score": {}}}', "**Rating:** {}/10", "```json\n{{\"score\": {}}}\n```"]))  # fmt: skip
@few
def test_scores_that_agree_are_the_verdict_in_any_width(values: list[float], form: str) -> None:
    reply = "\n".join(form.format(value) for value in values)
    forms = [reply, reply.translate(DIGITS), ZERO_WIDTH.join(reply), f"<think>score: 3</think>{reply}"]  # fmt: skip
    table = pl.DataFrame(_core.parse_verdicts(series(forms), 0, 10))
    last = float(values[-1])
    expected = ("ok", last) if len(set(values)) == 1 else ("contradictory", None)
    expected = expected if last <= 10 else ("out_of_range", None)
    assert table.select("state", "score").rows() == [expected] * len(forms)


@given(st.lists(st.text(max_size=40), max_size=5))
@few
def test_a_score_is_there_when_and_only_when_the_state_is_ok(texts: list[str]) -> None:
    table = pl.DataFrame(_core.parse_verdicts(series([f"{text} score 4" for text in texts]), 0, 10))
    assert ((table["state"] == "ok") == table["score"].is_not_null()).all()
    assert table["score"].drop_nulls().is_between(0, 10).all()


ids = st.lists(st.lists(st.integers(0, 2), max_size=8), min_size=1, max_size=5)


@given(ids, st.data(), ids, st.integers(1, 4))
@few
def test_a_leak_is_a_run_of_the_policy_that_the_user_did_not_write(
    prompts: list[list[int]], data: st.DataObject, policy: list[list[int]], run: int
) -> None:
    own = data.draw(st.lists(st.lists(st.integers(0, 2), max_size=8), min_size=len(prompts), max_size=len(prompts)))  # fmt: skip

    def runs(text: list[int]) -> set[tuple[int, ...]]:
        return {tuple(text[at : at + run]) for at in range(len(text) - run + 1)}

    forbidden = set().union(*map(runs, policy))
    leaks = [row for row in range(len(prompts)) if forbidden & runs(prompts[row]) - runs(own[row])]
    found = _core.first_leak(flat(prompts), flat(own), flat(policy), run)
    assert found == (leaks[0] if leaks else None)


# Assigned since Unicode 11 or later: alone, at the ends of a run, in blocks that have none else.
NEWER = "\u061d\u0897\u089f\u1abf\u2e5d\u32ff\ua7f1\U00010940\U00010959\U0001e030\U0001e06d"
some = st.text(max_size=3)


@given(st.lists(some | st.tuples(some, st.sampled_from(NEWER), some).map("".join), max_size=6))
@few
def test_rows_are_unsettled_by_characters_of_a_newer_unicode_alone(texts: list[str]) -> None:
    unsettled = _core.unsettled_rows(series(texts)).tolist()
    assert unsettled == sorted(set(unsettled))
    assert {row for row, text in enumerate(texts) if set(text) & set(NEWER)} <= set(unsettled)
    # What this Python's Unicode, which is older, has as a letter has been one for long.
    for row in unsettled:
        assert any(
            unicodedata.category(character) in {"Cn", "Co"} or ord(character) > 0x2FF
            for character in texts[row]
        )


measures = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=6)


@given(measures, st.floats(0, 1))
@few
def test_a_limit_is_broken_above_it_and_a_missing_value_breaks_nothing(
    values: list[float | None], most: float
) -> None:
    column = pl.Series(values, dtype=pl.Float64)
    reasons = pl.Series(_core.quality_reasons([("answer_echo", column, None, most)])).to_list()
    broken = [value is not None and value > most for value in values]
    assert reasons == ["answer_repeats_reasoning" if bad else None for bad in broken]


@given(st.lists(st.text(max_size=8), max_size=4), st.text(max_size=4), st.integers(0, 2**63 - 1))
@few
def test_an_id_tells_its_parts_apart(parents: list[str], variant: str, index: int) -> None:
    found = _core.row_id(parents, variant, index)
    assert re.fullmatch("[0-9a-f]{32}", found)
    assert found == _core.row_id(parents, variant, index)
    others = [(["x", *parents], variant, index), (parents, variant + "x", index), ([*parents, ""], variant, index)]  # fmt: skip
    assert found not in {_core.row_id(*other) for other in others}


@given(st.lists(st.tuples(st.text(max_size=8), st.integers(0, 99)), max_size=6))
@few
def test_a_column_of_ids_is_its_rows(rows: list[tuple[str, int]]) -> None:
    parents = series([parent for parent, _ in rows])
    found = _core.row_ids([parents], "v", pl.Series([i for _, i in rows], dtype=pl.Int64))
    assert pl.Series(found).to_list() == [_core.row_id([parent], "v", i) for parent, i in rows]
    indices = pl.Series([i for _, i in rows], dtype=pl.UInt8)
    both = _core.row_ids(["7", parents, parents, ""], "v", indices)
    assert pl.Series(both).to_list() == [
        _core.row_id(["7", parent, parent, ""], "v", i) for parent, i in rows
    ]
    assert pl.Series(_core.row_ids([], "v", indices)).to_list() == [
        _core.row_id([], "v", i) for _, i in rows
    ]


@given(st.binary(max_size=40), st.binary(min_size=1, max_size=4))
@few
def test_a_digest_is_that_of_all_bytes(data: bytes, more: bytes) -> None:
    assert re.fullmatch("[0-9a-f]{64}", _core.digest(data))
    assert _core.digest(data) != _core.digest(data + more)


lengths = st.lists(st.lists(st.integers(1, 4), max_size=4), max_size=5)


@given(lengths)
@few
def test_positions_count_from_nought_in_each_sequence(bins: list[list[int]]) -> None:
    column = pl.Series(bins, dtype=pl.List(pl.UInt32))
    found = pl.Series(_core.position_ids(column)).to_list()
    assert found == [[at for length in one for at in range(length)] for one in bins]


def test_what_shows_is_decided_alike_everywhere() -> None:
    # Every character that this Python knows to be assigned, and all that are private or no characters.
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assigned = [
        chr(c) for c in codes if unicodedata.category(chr(c)) != "Cn" or c & 0xFFFE == 0xFFFE
    ]
    texts = series(assigned)
    none = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
    status = pl.DataFrame(_core.parse_completions(texts, None, None, False, none))["status"]
    empty = (status == "empty_answer").to_list()
    assert (~texts.str.contains(VISIBLE)).to_list() == empty
    for character, is_empty in zip(assigned, empty, strict=True):
        kind = unicodedata.category(character)
        # What is shown as an escape is no answer; a mark is one on a letter, a replacement is no text of the model's.
        is_hidden = visible(character) != character or character.isspace()
        assert is_empty == (is_hidden or kind[0] == "M" or character in "\ufffc\ufffd"), ascii(
            character
        )
