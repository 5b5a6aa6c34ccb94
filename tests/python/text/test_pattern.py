"""A user's patterns take no text long, or are refused with the reason."""

from __future__ import annotations

import time

import pytest
from dalign.data.patterns import answer_is
from dalign.pattern import read_pattern


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(a|aa)+$", r"(.*)*x", r"(?:a?){60}a{60}"])
def test_no_text_takes_a_pattern_long(pattern: str) -> None:
    began = time.process_time()
    assert read_pattern(pattern).is_all_of("a" * 100_000 + "!") is False
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(?!no)yes", "look-around.*write it without them"),
        (r"(?<=a)b", "look-around.*write it without them"),
        (r"(a)\1", "backreferences.*write it without them"),
        ("(a", "unclosed group; correct it"),
        ("(?:a{1000}){1000}", "need more than 4 MiB; correct it"),
        ("a" * 30_000, "30000 bytes, more than 20000; shorten it"),
        ("(" * 2000 + ")" * 2000, "nest"),
    ],
)
def test_a_pattern_that_could_be_slow_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"is not a regular expression: .*{why}"):
        read_pattern(pattern)


@pytest.mark.parametrize(
    ("expected", "answer", "same"),
    [
        ("re:(a+)+b", "a" * 40, False),
        ("re: forty[- ]two ", " forty two\n", True),
        ("re:a|ab", "ab", True),
        ("re:a|ab", "xab", False),
        (r"re:\d+ été", "３ été", True),
    ],
)
def test_an_expected_pattern_is_of_the_whole_answer(expected: str, answer: str, same: bool) -> None:
    assert answer_is(expected, answer) is same
