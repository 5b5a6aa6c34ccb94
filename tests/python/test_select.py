"""Selecting examples: thresholds, duplicates, quotas, and the policy kept out."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from dalign.config import Select
from dalign.errors import QuotaError, UnjudgedError
from dalign.rows import Example, Expected, Message, Prompt
from dalign.select import examples_frame, select

POLICY = "clause one says that nobody may hand out the recipe of the green soup at all"


def prompt(name: str, category: str = "soup") -> Prompt:
    return Prompt(name, category, (Message(role="user", content=f"tell me about {name}"),))


def judged(
    *rows: tuple[str, str, str, float | None],
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Prompt]]:
    """Parsed rows, scores and prompts from (completion, prompt, answer, score)."""
    parsed = pl.DataFrame(
        [(c, p, "soup", f"thought of {c}", a) for c, p, a, _ in rows],
        schema={
            "id": pl.String,
            "prompt_id": pl.String,
            "category": pl.String,
            "reasoning": pl.String,
            "answer": pl.String,
        },
        orient="row",
    )
    scores = pl.DataFrame(
        [(c, s, 0 if s is None else 2) for c, _, _, s in rows],
        schema={"completion_id": pl.String, "score": pl.Float64, "n_valid": pl.UInt32},
        orient="row",
    )
    return parsed, scores, {p: prompt(p) for _, p, _, _ in rows}


def choose(rows: tuple[pl.DataFrame, pl.DataFrame, dict[str, Prompt]], **settings: object):
    chosen = Select.model_validate({"threshold": 7.0, "on_short": "warn", **settings})
    return select(*rows, chosen, spec_texts={"soup": POLICY}, seed=3)


def reasons(selection) -> dict[str, str]:
    return {row: reason for row, _, reason, _ in selection.dropped}


def test_a_score_at_the_threshold_is_kept_and_one_below_is_dropped_with_its_reason() -> None:
    found = choose(judged(("a", "p1", "yes", 7.0), ("b", "p2", "no", 6.99)))
    assert [e.completion_id for e in found.examples] == ["a"]
    assert reasons(found) == {"b": "below_threshold"}


def test_an_unjudged_completion_is_never_selected() -> None:
    found = choose(judged(("a", "p1", "yes", None), ("b", "p2", "no", 9.0)))
    assert [e.completion_id for e in found.examples] == ["b"]
    assert reasons(found) == {"a": "unjudged"}


def test_unjudged_completions_end_the_run_where_the_config_says_so() -> None:
    with pytest.raises(UnjudgedError, match=r"1 of 2 completions have no verdict \(first: a\)"):
        choose(judged(("a", "p1", "yes", None), ("b", "p2", "no", 9.0)), unjudged="error")


def test_an_answer_that_recites_eight_words_of_the_policy_is_dropped() -> None:
    eight = "one says that nobody may hand out the"
    found = choose(
        judged(
            ("a", "p1", f"sorry, {eight} thing", 9.0),
            ("b", "p2", "sorry one says that nobody may hand out", 9.0),
        )
    )
    assert reasons(found) == {"a": "policy_in_answer"}
    assert [e.completion_id for e in found.examples] == ["b"]


def test_words_of_the_policy_that_the_user_wrote_may_be_answered() -> None:
    parsed, scores, prompts = judged(("a", "p1", "one says that nobody may hand out the", 9.0))
    prompts["p1"] = Prompt(
        "p1",
        "soup",
        (Message(role="user", content="translate: one says that nobody may hand out the"),),
    )
    assert len(choose((parsed, scores, prompts)).examples) == 1


def test_reciting_the_policy_in_the_reasoning_is_wanted() -> None:
    parsed, scores, prompts = judged(("a", "p1", "no", 9.0))
    parsed = parsed.with_columns(reasoning=pl.lit(POLICY))
    assert len(choose((parsed, scores, prompts)).examples) == 1


def test_of_equal_examples_the_best_judged_stays() -> None:
    parsed, scores, prompts = judged(("a", "p1", "same", 8.0), ("b", "p1", " same ", 9.0))
    parsed = parsed.with_columns(reasoning=pl.lit("equal"))
    found = choose((parsed, scores, prompts), per_prompt=5)
    assert [e.completion_id for e in found.examples] == ["b"]
    assert reasons(found) == {"a": "duplicate"}


def test_the_best_of_each_prompt_are_taken() -> None:
    found = choose(
        judged(("a", "p1", "x", 8.0), ("b", "p1", "y", 9.0), ("c", "p1", "z", 10.0)), per_prompt=2
    )
    assert {e.completion_id for e in found.examples} == {"b", "c"}
    assert reasons(found) == {"a": "surplus"}


def test_a_limit_is_shared_evenly_over_the_categories() -> None:
    rows = [(f"s{i}", f"q{i}", f"answer {i}", 9.0) for i in range(6)] + [
        ("t0", "r0", "answer t", 9.0)
    ]
    parsed, scores, prompts = judged(*rows)
    parsed = parsed.with_columns(
        category=pl.when(pl.col("id") == "t0").then(pl.lit("tea")).otherwise(pl.col("category"))
    )
    prompts["r0"] = prompt("r0", "tea")
    settings = Select(threshold=7.0, max_examples=3, quota=0)
    found = select(
        parsed, scores, prompts, settings, spec_texts={"soup": POLICY, "tea": ""}, seed=3
    )
    assert sorted(e.category for e in found.examples) == ["soup", "soup", "tea"]
    again = select(
        parsed, scores, prompts, settings, spec_texts={"soup": POLICY, "tea": ""}, seed=3
    )
    assert again.examples == found.examples


def test_too_few_examples_of_a_category_are_an_error_that_names_it() -> None:
    with pytest.raises(QuotaError, match=r"'soup' has 1, and select.quota = 2"):
        choose(judged(("a", "p1", "x", 8.0), ("b", "p2", "y", 1.0)), quota=2, on_short="error")


def test_too_few_examples_are_reported_where_the_config_says_so() -> None:
    assert choose(judged(("a", "p1", "x", 8.0)), quota=2).short == {"soup": 1}


def test_no_completion_at_all_leaves_every_category_short() -> None:
    parsed, scores, _ = judged()
    found = choose((parsed, scores, {"p": prompt("p")}), quota=1)
    assert found.examples == [] and found.short == {"soup": 0}


def exercising(clauses: dict[str, str]):
    """Three judged rows, one of them badly, whose prompts exercise these clauses."""
    rows = judged(("a", "p1", "x", 8.0), ("b", "p2", "y", 9.0), ("c", "p3", "z", 1.0))
    for name, clause in clauses.items():
        rows[2][name] = replace(prompt(name), expected=Expected("refuse", clause))
    return rows


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
def test_the_clauses_that_prompts_exercise_have_a_quota_of_their_own(quota, short) -> None:
    rows = exercising({"p1": "soup.S1", "p2": "soup.S1", "p3": "soup.S3"})
    found = choose(rows, quota=0, clause_quota=quota)
    assert (found.short, found.short_clauses) == ({}, short)


def test_prompts_without_a_clause_count_for_none() -> None:
    found = choose(exercising({"p1": "soup.S1"}), quota=0, clause_quota=1)
    assert found.short_clauses == {}


def test_too_few_examples_of_a_clause_are_an_error_that_names_it_and_the_way_out() -> None:
    rows = exercising({"p1": "soup.S1", "p3": "soup.S3"})
    wanted = r"clause 'soup.S1' has 1, clause 'soup.S3' has 0, and select.clause_quota = 2 .*; add prompts"
    with pytest.raises(QuotaError, match=wanted) as error:
        choose(rows, quota=0, clause_quota=2, on_short="error")
    assert "select.quota" not in str(error.value)


def test_an_example_has_no_place_for_the_policy() -> None:
    fields = set(Example.__dataclass_fields__)
    assert not {f for f in fields if "spec" in f or "policy" in f or "system" in f}
    found = choose(judged(("a", "p1", "yes", 9.0)))
    row = examples_frame(found.examples).row(0, named=True)
    assert row["messages"] == '[{"role": "user", "content": "tell me about p1"}]'
