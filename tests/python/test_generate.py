"""Completions: what each sight shows of the policy, n of each prompt in order, ids and seeds that name the draw."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from dalign.generate import SIGHTS, Draws, complete
from dalign.models.protocol import Reply, Request, Sampling
from dalign.rows import Completion, completion_id, messages_json, row_seed
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.spec.types import GENERAL
from policies import ENGLISH

SPEC, TEMPLATES = load_spec(ENGLISH), load_templates(ENGLISH)
ASKED = ({"role": "user", "content": "May I?"},)
SAMPLING = Sampling(0.7, 9)
PROMPTS = pl.DataFrame(
    [("b", "harassment", messages_json(ASKED)), ("a", GENERAL, messages_json(ASKED))],
    schema=["id", "category", "messages"],
    orient="row",
)


def told_in_detail(text: str) -> set[str]:
    """The categories of which a clause stands in a text."""
    return {
        c.name for c in SPEC.categories if any(clause.disallowed[0] in text for clause in c.clauses)
    }


@pytest.mark.parametrize("category", [*SPEC.names, GENERAL])
def test_a_sight_shows_nothing_the_category_or_all_summaries(category: str) -> None:
    sights = {name: sight(SPEC, TEMPLATES) for name, sight in SIGHTS.items()}
    assert sights["none"](category, ASKED) == ASKED
    for name, detailed in (("category", {category} - {GENERAL}), ("summaries", set())):
        system, *rest = sights[name](category, ASKED)
        assert tuple(rest) == ASKED and system["role"] == "system"
        assert told_in_detail(system["content"]) == detailed
        assert all(c.summary in system["content"] for c in SPEC.categories)


class Asked:
    """Answers each request by its own id."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __call__(self, requests: Sequence[Request], sampling: Sampling) -> Sequence[Reply]:
        assert sampling == SAMPLING
        self.requests += requests
        return [Reply(each.id, f"re {each.id}", "stop", 3) for each in requests]


def drawn(n: int, seed: int = 1, variant: str = "main") -> tuple[pl.DataFrame, list[Request]]:
    ask = Asked()
    sight = SIGHTS["none"](SPEC, TEMPLATES)
    return complete(PROMPTS, sight, Draws(SAMPLING, n, seed, variant), ask), ask.requests


@pytest.mark.parametrize("n", [1, 3])
def test_each_prompt_has_n_completions_in_the_order_of_the_prompts(n: int) -> None:
    rows, requests = drawn(n)
    assert rows.columns == list(Completion.COLUMNS)
    wanted = [(prompt, index) for prompt in ("b", "a") for index in range(n)]
    assert rows.select("prompt_id", "index").rows() == wanted
    ids = [completion_id(prompt, "main", index) for prompt, index in wanted]
    assert rows["id"].to_list() == ids and len(set(ids)) == 2 * n
    assert rows["text"].to_list() == [f"re {row}" for row in ids]
    assert [each.seed for each in requests] == [row_seed(1, "main", row) for row in ids]


def test_without_a_prompt_there_is_no_completion() -> None:
    ask = Asked()
    rows = complete(
        PROMPTS[:0], SIGHTS["none"](SPEC, TEMPLATES), Draws(SAMPLING, 2, 1, "main"), ask
    )
    assert rows.height == 0 and rows.columns == list(Completion.COLUMNS) and ask.requests == []


def test_more_completions_leave_the_first_what_they_were() -> None:
    few, more = drawn(1)[1], drawn(3)[1]
    assert few == [more[0], more[3]]


def test_another_seed_draws_anew_and_another_variant_has_rows_of_its_own() -> None:
    (_, one), (_, seed), (_, variant) = drawn(2), drawn(2, seed=2), drawn(2, variant="sft")
    assert [r.id for r in seed] == [r.id for r in one]
    assert not {r.seed for r in one} & {r.seed for r in (*seed, *variant)}
    assert not {r.id for r in one} & {r.id for r in variant}
