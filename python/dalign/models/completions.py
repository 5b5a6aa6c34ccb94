"""Completions of many conversations, journalled as they come, so that a kill loses the batch in flight at most."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dalign.models.protocol import Engine, Request, Sampling
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
    made = {row["id"]: row for row in journal.read()}
    done = made.keys() & {request.id for request in requests}
    progress.start(name, len(requests))
    count = len(done)
    progress.advance(name, count)
    for replies in engine.stream(requests, sampling, done):
        rows = [
            {"id": r.id, "text": r.text, "finish": r.finish, "tokens": r.tokens} for r in replies
        ]
        journal.append(rows)
        made.update((row["id"], row) for row in rows)
        count += len(rows)
        progress.advance(name, count)
    completions = [
        Completion(
            request.id,
            prompt.id,
            prompt.category,
            index,
            made[request.id]["text"],
            made[request.id]["finish"],
        )
        for request, (prompt, index) in zip(requests, sources, strict=True)
    ]
    progress.finish(name, f"{len(completions)} completions")
    rows_out = [
        (c.id, c.prompt_id, c.category, c.index, c.text, c.finish, made[c.id]["tokens"])
        for c in completions
    ]
    return pl.DataFrame(rows_out, schema=SCHEMA, orient="row")
