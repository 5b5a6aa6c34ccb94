"""Selecting examples: thresholds, duplicates, quotas, and the policy kept out."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest
from dalign.config import Select
from dalign.errors import QuotaError, UnjudgedError
from dalign.rows import MESSAGES, Example
from dalign.select import Selection, select
from naive_select import naive_select

POLICY = "clause one says that nobody may hand out the recipe of the green soup at all"
COLUMNS = {
    "id": pl.String,
    "text": pl.String,
    "prompt_id": pl.String,
    "category": pl.String,
    "messages": MESSAGES,
    "clause": pl.String,
    "asked": pl.String,
    "reasoning": pl.String,
    "answer": pl.String,
    "score": pl.Float64,
    "n_valid": pl.UInt32,
}
Row = dict[str, Any]


def judged(name: str, prompt: str, answer: str, score: float | None, **more: Any) -> Row:
    """A judged completion; `more` replaces what is not said."""
    asked = more.get("asked", f"tell me about {prompt}")
    messages = [{"role": "user", "content": asked}]
    fixed = {"id": name, "prompt_id": prompt, "answer": answer, "score": score}
    usual = {"category": "soup", "clause": None, "reasoning": f"thought of {name}", "text": answer}
    valid = 0 if score is None else 2
    return {**usual, "messages": messages, "asked": asked, "n_valid": valid} | fixed | more


def parts_of(rows: list[Row], height: int = 3) -> Callable[[], Iterator[pl.DataFrame]]:
    """The rows, so many in a part."""
    frame = pl.DataFrame(rows, schema=COLUMNS)
    return lambda: frame.iter_slices(height)


def choose(*rows: Row, **settings: Any) -> Selection:
    """The choice among rows; every category and clause of theirs is one of the prompts'."""
    wanted = Select.model_validate({"threshold": 7.0, "on_short": "warn", **settings})
    return select(
        parts_of(list(rows)),
        wanted,
        categories={row["category"] for row in rows},
        clauses={row["clause"] for row in rows} - {None},
        spec_texts={"soup": POLICY},
        seed=3,
        least=wanted.threshold,
    )


def examples(selection: Selection) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=Example.COLUMNS), *selection.examples()])


def chosen(selection: Selection) -> list[str]:
    return examples(selection)["completion_id"].to_list()


def dropped(selection: Selection) -> list[tuple[str, str, str, str]]:
    return [row for part in selection.dropped() for row in part.rows()]


def reasons(selection: Selection) -> dict[str, str]:
    return {row: reason for row, _, reason, _ in dropped(selection)}


def test_a_score_at_the_threshold_is_kept_and_one_below_is_dropped_with_its_reason() -> None:
    found = choose(judged("a", "p1", "yes", 7.0), judged("b", "p2", "no", 6.99))
    assert chosen(found) == ["a"]
    assert dropped(found) == [("b", "soup", "below_threshold", "score 6.99 < 7.0")]
    assert found.counts == {"rows_in": 2, "rows_out": 1}


def test_an_unjudged_completion_is_never_selected() -> None:
    found = choose(judged("a", "p1", "yes", None), judged("b", "p2", "no", 9.0))
    assert chosen(found) == ["b"]
    assert dropped(found) == [("a", "soup", "unjudged", "0 valid verdicts")]


def test_unjudged_completions_end_the_run_where_the_config_says_so() -> None:
    with pytest.raises(UnjudgedError, match=r"1 of 2 completions have no verdict \(first: a\)"):
        choose(judged("b", "p2", "no", 9.0), judged("a", "p1", "yes", None), unjudged="error")


def test_an_answer_that_recites_eight_words_of_the_policy_is_dropped_with_the_words() -> None:
    eight = "One says, that nobody may hand out the"
    found = choose(
        judged("a", "p1", f"sørry, {eight} thing", 9.0),
        judged("b", "p2", "sorry one says that nobody may hand out", 9.0),
    )
    assert chosen(found) == ["b"]
    assert dropped(found) == [("a", "soup", "policy_in_answer", eight)]


def test_words_of_the_policy_that_the_user_wrote_may_be_answered() -> None:
    words = "one says that nobody may hand out the"
    assert chosen(choose(judged("a", "p1", words, 9.0, asked=f"translate: {words}"))) == ["a"]


def test_reciting_the_policy_in_the_reasoning_is_wanted() -> None:
    assert chosen(choose(judged("a", "p1", "no", 9.0, reasoning=POLICY))) == ["a"]


def test_another_categorys_policy_may_be_recited() -> None:
    assert chosen(choose(judged("a", "p1", POLICY, 9.0, category="tea"))) == ["a"]


def test_of_equal_examples_the_best_judged_stays() -> None:
    found = choose(
        judged("a", "p1", "same", 8.0, reasoning="equal"),
        judged("b", "p1", " same ", 9.0, reasoning="equal"),
        per_prompt=5,
    )
    assert chosen(found) == ["b"]
    assert dropped(found) == [("a", "soup", "duplicate", "of b")]


def test_of_nearly_equal_examples_the_best_judged_stays_where_the_config_says_so() -> None:
    words = " ".join(f"word{i}" for i in range(60))
    rows = [
        judged("a", "p1", f"{words} one", 8.0, asked="ask", reasoning="why"),
        judged("far", "p2", "nothing alike", 8.0),
        judged("low", "p3", f"{words} three", 1.0, asked="ask", reasoning="why"),
        judged("b", "p3", f"{words} two", 9.0, asked="ask", reasoning="why"),
    ]
    found = choose(*rows, near=0.8)
    assert chosen(found) == ["far", "b"]
    assert dropped(found)[0] == ("a", "soup", "near_duplicate", "of b")
    assert reasons(found)["low"] == "below_threshold"
    assert chosen(choose(*rows)) == ["a", "far", "b"]


def test_the_best_of_each_prompt_are_taken() -> None:
    rows = [
        judged(name, "p1", name, score) for name, score in (("a", 8.0), ("b", 9.0), ("c", 10.0))
    ]
    found = choose(*rows, per_prompt=2)
    assert chosen(found) == ["b", "c"]
    assert dropped(found) == [("a", "soup", "surplus", "more than 2 of one prompt")]


def test_a_limit_is_shared_evenly_over_the_categories() -> None:
    rows = [judged(f"s{i}", f"q{i}", f"answer {i}", 9.0) for i in range(6)]
    rows.append(judged("t0", "r0", "answer t", 9.0, category="tea"))
    found = choose(*rows, max_examples=3, quota=0)
    assert sorted(examples(found)["category"]) == ["soup", "soup", "tea"]
    assert [d[2:] for d in dropped(found)] == [("surplus", "more than 3 examples")] * 4
    assert chosen(choose(*rows, max_examples=3, quota=0)) == chosen(found)


def test_too_few_examples_of_a_category_are_an_error_that_names_it() -> None:
    with pytest.raises(QuotaError, match=r"'soup' has 1, and select.quota = 2"):
        choose(judged("a", "p1", "x", 8.0), judged("b", "p2", "y", 1.0), quota=2, on_short="error")


def test_too_few_examples_are_reported_where_the_config_says_so() -> None:
    assert choose(judged("a", "p1", "x", 8.0), quota=2).short == {"soup": 1}


@pytest.mark.parametrize("parts", [[], [pl.DataFrame(schema=COLUMNS)]], ids=["none", "empty"])
def test_no_completion_at_all_leaves_every_category_short(parts: list[pl.DataFrame]) -> None:
    settings = Select(on_short="warn", near=0.7, max_examples=1)
    found = select(
        lambda: iter(parts),
        settings,
        categories={"soup"},
        clauses=(),
        spec_texts={},
        seed=0,
        least=settings.threshold,
    )
    assert (chosen(found), dropped(found), found.short) == ([], [], {"soup": 0})


def exercising(clauses: dict[str, str]) -> list[Row]:
    """Three judged rows, one of them badly, whose prompts exercise these clauses."""
    rows = (("a", "p1", 8.0), ("b", "p2", 9.0), ("c", "p3", 1.0))
    return [judged(name, p, name, score, clause=clauses.get(p)) for name, p, score in rows]


@pytest.mark.parametrize(
    ("quota", "short"),
    [
        (0, {}),  # off
        # S3's only completion is badly judged.
        (1, {"soup.S3": 0}),
        (2, {"soup.S3": 0}),
        (3, {"soup.S1": 2, "soup.S3": 0}),
    ],
)
def test_the_clauses_that_prompts_exercise_have_a_quota_of_their_own(
    quota: int, short: dict[str, int]
) -> None:
    rows = exercising({"p1": "soup.S1", "p2": "soup.S1", "p3": "soup.S3"})
    found = choose(*rows, quota=0, clause_quota=quota)
    assert (found.short, found.short_clauses) == ({}, short)


def test_prompts_without_a_clause_count_for_none() -> None:
    found = choose(*exercising({"p1": "soup.S1"}), quota=0, clause_quota=1)
    assert found.short_clauses == {}


def test_too_few_examples_of_a_clause_are_an_error_that_names_it_and_the_way_out() -> None:
    rows = exercising({"p1": "soup.S1", "p3": "soup.S3"})
    wanted = r"clause 'soup.S1' has 1, clause 'soup.S3' has 0, and select.clause_quota = 2 .*; add prompts"
    with pytest.raises(QuotaError, match=wanted) as error:
        choose(*rows, quota=0, clause_quota=2, on_short="error")
    assert "select.quota" not in str(error.value)


def test_an_example_has_no_place_for_the_policy() -> None:
    assert not {
        name for name in Example.COLUMNS if "spec" in name or "policy" in name or "system" in name
    }
    frame = examples(choose(judged("a", "p1", "yes", 9.0)))
    assert frame.schema == pl.Schema(Example.COLUMNS)
    assert frame["messages"].to_list() == [[{"role": "user", "content": "tell me about p1"}]]


def drawn_rows(count: int, seed: int) -> list[Row]:
    """Rows with ties, copies, recitals, unjudged ones and several of a prompt."""
    rng = random.Random(seed)
    policy = POLICY.split()
    rows = []
    for i in range(count):
        prompt = f"p{rng.randrange(1 + count // 3)}"
        start, length = rng.randrange(len(policy)), rng.randrange(12)
        words = [*rng.choices("ab", k=3), *policy[start : start + length], "end"]
        answer = rng.choice([" ", "  ", "\n", " "]).join(words)
        score = rng.choice([None, 6.5, 7.0, 7.0, 8.25, 9.0])
        asked = rng.choice([prompt, f"{prompt}: {POLICY}"])
        category = rng.choice(["soup", "tea"])
        more = {"reasoning": rng.choice("xy"), "asked": asked, "category": category}
        rows.append(judged(f"row{i}", prompt, answer, score, **more))
    return rows


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("per_prompt", [1, 2])
@pytest.mark.parametrize("height", [1, 7, 1000])  # parts of one row, of some, one part of all
def test_the_choice_is_that_of_plain_loops(seed: int, per_prompt: int, height: int) -> None:
    rows = drawn_rows(200, seed)
    settings = Select(threshold=7.0, per_prompt=per_prompt, on_short="warn")
    policies = {"soup": POLICY, "tea": "a rule of tea"}
    found = select(
        parts_of(rows, height),
        settings,
        categories={"soup", "tea"},
        clauses=(),
        spec_texts=policies,
        seed=0,
        least=settings.threshold,
    )
    naive = naive_select(rows, settings, policies)
    assert chosen(found) == naive.chosen
    assert dropped(found) == naive.dropped
    told = {row["id"]: row for row in rows}
    for example in examples(found).iter_rows(named=True):
        row = told[example["completion_id"]]
        assert example == example | {name: row[name] for name in list(Example.COLUMNS)[2:]}


def test_how_rows_are_cut_into_parts_changes_no_draw() -> None:
    rows = drawn_rows(200, 5)
    settings = Select(threshold=7.0, max_examples=20, on_short="warn", near=0.9)
    tables = [
        examples(
            select(
                parts_of(rows, height),
                settings,
                categories=(),
                clauses=(),
                spec_texts={},
                seed=-1,
                least=settings.threshold,
            )
        )
        for height in (1, 13, 1000)
    ]
    assert tables[0].height == 20
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])


def test_one_part_lives_at_a_time() -> None:
    alive: list[weakref.ref[pl.DataFrame]] = []

    def parts() -> Iterator[pl.DataFrame]:
        for i in range(5):
            gc.collect()
            assert [ref for ref in alive if ref() is not None] == []
            rows = [judged(f"{i}-{j}", f"p{i}-{j}", f"text {i} {j}", 9.0) for j in range(3)]
            part = pl.DataFrame(rows, schema=COLUMNS)
            alive.append(weakref.ref(part))
            yield part
            del part

    settings = Select(near=0.9, max_examples=10)
    found = select(
        parts,
        settings,
        categories={"soup"},
        clauses=(),
        spec_texts={"soup": POLICY},
        seed=0,
        least=settings.threshold,
    )
    assert sum(part.height for part in found.examples()) == 10
    assert sum(part.height for part in found.dropped()) == 5


def test_of_what_nobody_judged_no_score_decides() -> None:
    rows = [judged("a", "p1", "x", None), judged("b", "p2", "y", 1.0), judged("c", "p2", "z", 2.0)]
    settings = Select(on_short="warn", quota=0)
    found = select(
        parts_of(rows),
        settings,
        categories=(),
        clauses=(),
        spec_texts={},
        seed=0,
        least=None,
    )
    assert chosen(found) == ["a", "c"]
