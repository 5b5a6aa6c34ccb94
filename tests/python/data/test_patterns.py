"""Patterns that tell an answer's ruling, and expected answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.data.patterns import Patterns, answer_is, read_patterns
from dalign.errors import InputError

GOOD = """
[[answer]]
ruling = "refuse"
pattern = '^sorry .*'
[[answer]]
ruling = "refuse"
pattern = '^no '
adheres = false
[[answer]]
ruling = "comply"
pattern = 'sorry|sure'
"""
RETRIEVAL = r"""
[retrieval]
pattern = 'policy (?P<category>\S+) applies .*? (?P<clause>\S+)'
"""


def read(path: Path, text: str) -> Patterns:
    (path / "patterns.toml").write_text(text)
    return read_patterns(path / "patterns.toml")


@pytest.mark.parametrize(
    ("answer", "ruling"),
    [
        ("sorry i can not", ("refuse", True)),
        ("  sorry i can not\n", ("refuse", True)),
        ("no i will not", ("refuse", False)),
        # The first pattern that is found counts; '^sorry ' is not found here.
        ("so sorry", ("comply", True)),
        ("sure", ("comply", True)),
        ("hm", None),
        ("", None),
    ],
)
def test_the_first_pattern_found_tells_the_ruling(
    tmp_path: Path, answer: str, ruling: tuple[str, bool] | None
) -> None:
    assert read(tmp_path, GOOD).ruling_of(answer) == ruling


@pytest.mark.parametrize(
    ("reasoning", "clause"),
    [
        ("by clause self-harm.S4, and not violence.V1", "self-harm.S4"),
        ("By harassment.H3.", "harassment.H3"),
        # As a sentence begins with it, and with hyphens of other kinds: never the name that it ends in.
        ("Self-harm.S4 applies.", "self-harm.S4"),
        ("SELF-HARM.S4", "self-harm.S4"),
        ("by self\u2011harm.S4", "self-harm.S4"),
        ("by self\u2010harm.S4", "self-harm.S4"),
        ("by self\u00adharm.S4", "self-harm.S4"),
        ("the policy on advice", None),
        # Not ids: they have no digit in the key.
        ("e.g. this, i.e.that, example.com", None),
    ],
)
def test_by_default_the_first_full_clause_id_is_the_cited_one(
    tmp_path: Path, reasoning: str, clause: str | None
) -> None:
    assert read(tmp_path, GOOD).cited(reasoning) == clause


def test_a_retrieval_pattern_of_the_suite_replaces_the_default(tmp_path: Path) -> None:
    patterns = read(tmp_path, GOOD + RETRIEVAL)
    assert patterns.cited("policy erotic applies . clause alpha") == "erotic.clause"
    assert patterns.cited("by clause self-harm.S4") is None


def test_of_known_clauses_only_those_count_as_cited(tmp_path: Path) -> None:
    text = "version 2.0 says advice.A9 and advice.A1"
    patterns = read(tmp_path, GOOD)
    assert patterns.cited(text, known={"advice.A1"}) == "advice.A1"
    assert patterns.cited(text, known=set()) is None


@pytest.mark.parametrize(
    ("expected", "answer", "equal"),
    [
        ("it is 12", " it  is\n12 ", True),
        ("it is 12", "it is 12.", False),
        ("it is 12", "It is 12", False),
        (r"re:.*\b12\b.*", " it is 12. ", True),
        (r"re:.*\b12\b.*", "it is 124", False),
        # The whole answer, not a part of it.
        ("re:12", "12 or so", False),
    ],
)
def test_an_answer_is_the_expected_one_or_not(expected: str, answer: str, equal: bool) -> None:
    assert answer_is(expected, answer) is equal


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("has no [[answer]] entry",)),
        ("answer = 3", ("has no [[answer]] entry",)),
        ("answer = [3]", ("answer 1 is not a table (3)",)),
        ("[[answr]]", ("unknown key 'answr'", "did you mean 'answer'?")),
        (
            GOOD.replace("'^no '", "'('"),
            ("answer 2", "'('", "not a regular expression", "correct it"),
        ),
        (GOOD.replace("'^no '", "''"), ("answer 2: pattern is ''", "write a regular expression")),
        (GOOD.replace("'^no '", "3"), ("answer 2: pattern is 3",)),
        (
            GOOD.replace('"comply"', '"complies"'),
            ("answer 3: unknown ruling 'complies'", "'comply'"),
        ),
        (
            GOOD.replace("adheres = false", "adheres = 0"),
            ("answer 2: adheres is 0", "true or false"),
        ),
        (
            GOOD.replace("adheres", "adhere"),
            ("answer 2: unknown key 'adhere'", "did you mean 'adheres'?"),
        ),
        (GOOD + "[retrieval]\n", ("retrieval: pattern is None",)),
        (
            GOOD + RETRIEVAL.replace("pattern", "regex"),
            ("retrieval: unknown key 'regex'", "known: pattern"),
        ),
        (
            GOOD + RETRIEVAL.replace("?P<clause>", ""),
            ("retrieval", "no group 'clause'", "(?P<clause>"),
        ),
        ("retrieval = 3\n" + GOOD, ("retrieval is not a table (3)",)),
        ('pattern = "\\S"', ("not TOML", "line 1", "single quotes")),
    ],
)
def test_a_mistake_in_the_patterns_is_named(
    tmp_path: Path, text: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    for part in ("patterns.toml: ", *parts):
        assert part in str(caught.value)


def test_a_missing_file_and_one_that_is_not_utf8_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"patterns\.toml: no such file"):
        read_patterns(tmp_path / "patterns.toml")
    (tmp_path / "patterns.toml").write_bytes(b"# \xe9")
    with pytest.raises(InputError, match=r"patterns\.toml: not UTF-8 \(at byte 2\)"):
        read_patterns(tmp_path / "patterns.toml")
