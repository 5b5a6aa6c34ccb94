"""Completions: n of each prompt, with as much of the policy in sight as is asked for (paper 2.3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from dalign import _core
from dalign.models.forms import Form
from dalign.models.protocol import Asked, Request, Sampling
from dalign.rows import Completion, Message, completion_id, row_seed, table, turns
from dalign.spec.templates import Templates
from dalign.spec.types import GENERAL, Spec

# What the ids of completions that were made elsewhere are told from others by.
BROUGHT = "brought"
# A prompt's category and conversation to the conversation that the model reads.
Sight = Callable[[str, tuple[Message, ...]], tuple[Message, ...]]


@dataclass(frozen=True)
class Draws:
    """How completions are drawn: n of each prompt. variant: tells their ids and seeds from those of others."""

    sampling: Sampling
    n: int
    seed: int
    variant: str


def category_in_sight(spec: Spec, templates: Templates) -> Sight:
    """Conversations with spec(category) in sight."""
    texts = templates.specs(spec)
    systems = {name: templates.generation_system(text) for name, text in texts.items()}
    return lambda category, messages: tuple(
        templates.generation(texts[category], messages, systems[category])
    )


def summaries_in_sight(spec: Spec, templates: Templates) -> Sight:
    """Conversations with the summaries of all categories in sight (paper 4.1, fifth arm)."""
    text = templates.spec(spec, GENERAL)
    system = templates.generation_system(text)
    return lambda category, messages: tuple(templates.generation(text, messages, system))


# By what of the policy an arm has in sight.
SIGHTS: Mapping[str, Callable[[Spec, Templates], Sight]] = {
    "none": lambda _spec, _templates: lambda _category, messages: messages,
    "category": category_in_sight,
    "summaries": summaries_in_sight,
}


def complete(prompts: pl.DataFrame, sight: Sight, draws: Draws, ask: Asked) -> pl.DataFrame:
    """n completions of each prompt, in the order of the prompts. Columns: `Completion`.

    prompts: columns id, category, messages.
    """
    requests, sources = [], []
    named = zip(prompts["id"], prompts["category"], turns(prompts["messages"]), strict=True)
    for prompt, category, messages in named:
        conversation = sight(category, messages)
        for index in range(draws.n):
            row = completion_id(prompt, draws.variant, index)
            requests.append(Request(row, conversation, row_seed(draws.seed, draws.variant, row)))
            sources.append((row, prompt, category, index))
    replies = ask(requests, draws.sampling)
    rows = [(*s, r.text, r.finish, r.tokens) for s, r in zip(sources, replies, strict=True)]
    return table(Completion.COLUMNS, rows)


def brought(prompts: pl.DataFrame, rows: pl.DataFrame, form: Form) -> pl.DataFrame:
    """Completions that were made elsewhere, in the order of these prompts. Columns: `Completion`; tokens are not known.

    prompts: columns id, category. rows: columns `Brought`, others' too. form: of the model's completions.
    """
    of = prompts.select("category", prompt_id="id").join(rows, on="prompt_id", maintain_order="left_right")  # fmt: skip

    def whole(text: str, reasoning: str | None, apart: bool) -> str:
        if apart and reasoning is not None:
            return form.canonical(reasoning, text)
        return form.written(text, apart=False) if form.opened else text

    texts = [whole(*row) for row in of.select("text", "reasoning", "in_parts").iter_rows()]
    of = of.with_columns(
        index=pl.int_range(pl.len(), dtype=pl.UInt32).over("prompt_id"),
        text=pl.Series(texts, dtype=pl.String),
    )
    ids = pl.Series(_core.row_ids([of["prompt_id"]], BROUGHT, of["index"]), dtype=pl.String)
    rows = of.with_columns(id=ids, tokens=pl.lit(0, pl.UInt32))
    return rows.select(list(Completion.COLUMNS))
