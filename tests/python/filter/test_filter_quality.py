"""`dalign data filter`: what completions are like, held against limits; how generation ended; copies named by place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign.errors import InputError
from dalign.filter.form import Completions, Form
from dalign.filter.quality import USUAL_LIMITS, Measuring, Quality, measure_names, read_limit
from dalign.sandbox.checkpoint import MODEL
from hypothesis import given, settings
from hypothesis import strategies as st
from row_files import dropped, write

GOOD = "Take the bus at nine. It stops by the market."
LOOP = "and then we wait for it " * 12
ROWS = [
    {"id": 0, "completion": f"<think>Nothing is asked for that harms.</think>{GOOD}"},
    {"id": 1, "completion": f"<think>{LOOP}</think>{GOOD} Buy a ticket."},
    {"id": 2, "completion": f"<think>Harmless.</think>{GOOD} Then 坐公共汽车去市场买票 and wait."},
    {"id": 3, "completion": f"<think>Harmless.</think>{GOOD} After that you"},
    {"id": 4, "completion": f"<think>I say this: {GOOD}</think>{GOOD}"},
    {"id": 5, "completion": f"<think>By the policy above this is fine.</think>{GOOD} Go on."},
    {"id": 6, "completion": f"<think>Harmless.</think>As the system prompt says, yes. {GOOD}"},
    {"id": 7, "completion": f"<think>Our handbook says yes.</think>{GOOD} Walk home."},
]  # fmt: skip
# What each row breaks under --quality, and what the sentence about it names.
BROKEN = {
    1: ("repetitive", "reasoning_repeated"),
    2: ("wrong_script", "坐公共汽车去市场买票"),
    3: ("cut_off", "mid_sentence"),
    4: ("answer_repeats_reasoning", "answer_echo 1.0, at most 0.5"),
    5: ("dangling_reference", "the policy above"),
    6: ("dangling_reference", "system prompt"),
}


@pytest.fixture(params=["jsonl", "parquet"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def left_out(path: Path) -> dict[int, tuple[str, str | None]]:
    """Reason and detail of each dropped row, by its place in the input."""
    return {row: (reason, detail) for row, reason, detail in dropped(path)}


@pytest.fixture
def sift(dalign: Any, tmp_path: Path) -> Any:
    """(exit code, stderr, dropped rows) of `dalign data filter` on these rows."""

    def run(kind: str, rows: list[dict[str, Any]], *options: object) -> Any:
        source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / f"out.{kind}"
        words = ["filter", source, out, "--force", *options]
        code, _, error = dalign("data", *words)
        return code, error, left_out(out) if code == 0 else None

    return run


def test_the_usual_limits_drop_what_their_reasons_say(kind: str, sift: Any) -> None:
    code, _, dropped = sift(kind, ROWS, "--quality", "--script", "Latin")
    assert code == 0 and {row: reason for row, (reason, _) in dropped.items()} == {
        row: reason for row, (reason, _) in BROKEN.items()
    }
    for row, (_, named) in BROKEN.items():
        assert named in dropped[row][1], dropped[row]


def test_without_quality_nothing_of_it_is_looked_at(kind: str, sift: Any) -> None:
    assert sift(kind, ROWS)[2] == {}


def test_a_named_limit_goes_before_the_usual_one(kind: str, sift: Any) -> None:
    options = ("--quality", "--limit", "answer_echo=:1", "--limit", "reasoning_dangling=:1")
    dropped = sift(kind, ROWS, *options)[2]
    assert set(dropped) == set(BROKEN) - {4, 5}


def test_a_limit_stands_alone(kind: str, sift: Any) -> None:
    dropped = sift(kind, ROWS, "--limit", "answer_words=10:12")[2]
    assert {row: reason for row, (reason, _) in dropped.items()} == {
        1: "too_long", 2: "too_long", 3: "too_long", 6: "too_long",
    }  # fmt: skip
    assert dropped[3][1] == "answer_words 13.0, at least 10 and at most 12"


def test_phrases_and_the_prompts_script_are_the_users(kind: str, sift: Any) -> None:
    options = ("--limit", "reasoning_dangling=:0", "--phrase", "our handbook says")
    assert set(sift(kind, ROWS, *options)[2]) == {5, 7}
    rows = [row | {"prompt": "怎么去?" if row["id"] == 2 else "How?"} for row in ROWS]
    foreign = ("--limit", "answer_foreign_run=:0", "--script", "Latin")
    assert set(sift(kind, rows, *foreign)[2]) == {2}
    assert sift(kind, rows, *foreign, "--prompt-field", "prompt")[2] == {}


def test_the_tokens_of_each_part_are_counted(kind: str, sift: Any) -> None:
    rows = [{"completion": f"<think>{'a b ' * n}</think>{'c d ' * (9 - n)}"} for n in (1, 4, 8)]
    options = ("--tokenizer", MODEL, "--limit", "reasoning_tokens=5:40", "--limit", "answer_tokens=5:")  # fmt: skip
    dropped = sift(kind, rows, *options)[2]
    assert {row: detail.split()[0] for row, (_, detail) in dropped.items()} == {
        0: "reasoning_tokens",
        2: "answer_tokens",
    }


def test_a_reply_that_met_the_token_limit_is_truncated_and_no_first_copy(
    kind: str, sift: Any
) -> None:
    text = f"<think>a</think>{GOOD}"
    rows = [
        {"completion": text, "finish": "length"},
        {"completion": text, "finish": "stop"},
        {"completion": text + " ", "finish": "stop"},
    ]
    dropped = sift(kind, rows, "--finish-field", "finish")[2]
    first = "the same text as line 2" if kind == "jsonl" else "the same text as row 1"
    assert dropped == {0: ("truncated", "stopped at the token limit"), 2: ("duplicate", first)}


def test_a_copy_names_the_row_that_passed_the_other_checks(kind: str, sift: Any) -> None:
    rows = [ROWS[3], ROWS[0], ROWS[0]]
    dropped = sift(kind, rows, "--quality")[2]
    first = "the same text as line 2" if kind == "jsonl" else "the same text as row 1"
    assert dropped[2] == ("duplicate", first)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--limit", "answer_words"], ["MEASURE=LEAST:MOST"]),
        (["--limit", "answer_words=:"], ["answer_words=:"]),
        (["--limit", "answer_words=a:b"], ["a:b"]),
        (["--limit", "answer_words=9:3"], ["answer_words"]),
        (["--limit", "answer_words=nan:3"], ["answer_words"]),
        (["--limit", "answer_wrods=1:3"], ["answer_wrods", "answer_words"]),
        (["--limit", "answer_echo=0.1:"], ["answer_echo"]),
        (["--limit", "answer_tokens=:9"], ["answer_tokens", "tokenizer"]),
        (["--quality", "--script", "Klingon"], ["Klingon", "Latin"]),
        (["--quality", "--phrase", " "], ["phrase"]),
        (["--quality", "--prompt-field", "promt"], ["promt"]),
        (["--finish-field", "finnish"], ["finnish"]),
    ],
)
def test_what_cannot_be_limited_gets_one_sentence(
    options: list[str], named: list[str], kind: str, sift: Any
) -> None:
    code, error, _ = sift(kind, ROWS, *options)
    assert code == 1 and "Traceback" not in error
    assert all(name in error.splitlines()[-1] for name in named), error


def test_every_usual_limit_is_of_a_known_measure() -> None:
    assert set(USUAL_LIMITS) <= set(measure_names())
    assert read_limit("answer_tokens=3:", "--limit") == ("answer_tokens", (3.0, None))


def test_a_check_of_a_table_needs_no_file() -> None:
    quality = Quality(Measuring(), USUAL_LIMITS, None)
    decision = quality(Completions(Form(), pl.DataFrame(ROWS)["completion"]))
    assert decision.keep.to_list()[:2] == [True, False]
    with pytest.raises(InputError, match="ngram is 0"):
        Quality(Measuring(ngram=0), USUAL_LIMITS, None)


pieces = st.lists(st.sampled_from(["a b. ", "安全", "(", "the policy above ", "c d e f g "]), max_size=6)  # fmt: skip


@given(st.lists(pieces.map("".join), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_row_is_judged_by_itself(answers: list[str]) -> None:
    quality = Quality(Measuring(), USUAL_LIMITS, None)

    def reasons(texts: list[str]) -> list[str | None]:
        return quality(Completions(Form(tags=None), pl.Series(texts))).reasons.to_list()

    assert reasons(answers) == [reasons([answer])[0] for answer in answers]
