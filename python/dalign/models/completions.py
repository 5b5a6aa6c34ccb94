"""Completions of many conversations: n of each, every one with a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dalign.models.protocol import Engine, Request, Sampling
from dalign.models.replies import replies_to, words_of
from dalign.progress import Progress
from dalign.rows import Completion, Message, Prompt, completion_id, row_seed
from dalign.store import Journal

SCHEMA = {
    "id": pl.String,
    "prompt_id": pl.String,
    "category": pl.String,
    "index": pl.UInt32,
    "text": pl.String,
    "finish": pl.String,
    "tokens": pl.UInt32,
}


def completion_requests(
    prompts: Sequence[Prompt],
    conversations: Sequence[tuple[Message, ...]],
    *,
    variant: str,
    n: int,
    seed: int,
) -> tuple[list[Request], list[tuple[Prompt, int]]]:
    """n requests a prompt, and for each its prompt and index."""
    requests, sources = [], []
    for prompt, messages in zip(prompts, conversations, strict=True):
        for index in range(n):
            row = completion_id(prompt.id, variant, index)
            requests.append(Request(row, messages, row_seed(seed, variant, row)))
            sources.append((prompt, index))
    return requests, sources


def complete(
    engine: Engine,
    prompts: Sequence[Prompt],
    conversations: Sequence[tuple[Message, ...]],
    sampling: Sampling,
    *,
    variant: str,
    n: int,
    seed: int,
    journal: Journal,
    progress: Progress,
    name: str,
) -> pl.DataFrame:
    """n completions of each conversation, journalled as they come. Columns: `SCHEMA`, in the order of the prompts."""
    requests, sources = completion_requests(prompts, conversations, variant=variant, n=n, seed=seed)
    replies, taken_over = replies_to(
        engine, requests, sampling, journal=journal, progress=progress, name=name
    )
    completions = [
        Completion(
            r.id, prompt.id, prompt.category, index, replies[r.id].text, replies[r.id].finish
        )
        for r, (prompt, index) in zip(requests, sources, strict=True)
    ]
    progress.finish(name, f"{len(completions)} completions{words_of(taken_over)}")
    rows_out = [
        (c.id, c.prompt_id, c.category, c.index, c.text, c.finish, replies[c.id].tokens)
        for c in completions
    ]
    return pl.DataFrame(rows_out, schema=SCHEMA, orient="row")
