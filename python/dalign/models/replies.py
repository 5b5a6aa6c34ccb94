"""Replies to many requests, journalled as they come: a kill loses the batch in flight at most.

Each reply is kept under its request's key. A request that an earlier run of the stage, with other
inputs, has had answered under the same key is not made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.progress import Progress
from dalign.store import Journal

KEY_CHARACTERS = 32


def request_key(fingerprint: str, sampling: Sampling, request: Request) -> str:
    """A digest of all that determines the reply: the engine's `fingerprint`, the settings, the row's seed, every message.

    The messages are those that the model reads: policy, templates, prompt, and the answer to be judged are in them.
    """
    drawn = (sampling.temperature, sampling.max_new_tokens, sampling.top_p, request.seed)
    hasher = hashlib.sha256(json.dumps([fingerprint, *drawn]).encode())
    for message in request.messages:
        content = message["content"].encode()
        hasher.update(f"\0{message['role']}\0{len(content)}\0".encode())
        hasher.update(content)
    return hasher.hexdigest()[:KEY_CHARACTERS]


def replies_to(
    engine: Engine,
    requests: Sequence[Request],
    sampling: Sampling,
    *,
    journal: Journal,
    progress: Progress,
    name: str,
) -> tuple[dict[str, Reply], int]:
    """The reply to each request by its id, and how many were taken over from an earlier run.

    The engine gets the other requests alone; which these are does not change with a kill, so that
    its batches do not either. The caller ends the progress.
    """
    keys = {r.id: request_key(engine.fingerprint, sampling, r) for r in requests}
    earlier = journal.earlier(keys)
    wanted = [request for request in requests if request.id not in earlier]
    journalled = {row["id"]: row for row in journal.read() if "key" in row}
    made = {r.id: journalled[r.id] for r in wanted if _is_of(journalled.get(r.id), keys[r.id])}
    progress.start(name, len(requests))
    progress.advance(name, len(earlier) + len(made))
    for replies in engine.stream(wanted, sampling, set(made)):
        rows = [_row(reply, keys[reply.id]) for reply in replies]
        journal.append(rows)
        made.update((reply.id, row) for reply, row in zip(replies, rows, strict=True))
        progress.advance(name, len(earlier) + len(made))
    rows_by_id = earlier | made
    ordered = [rows_by_id[request.id] for request in requests]
    journal.keep(ordered)
    return {r["id"]: Reply(r["id"], r["text"], r["finish"], r["tokens"]) for r in ordered}, len(
        earlier
    )


def words_of(taken_over: int) -> str:
    """What a progress line adds where replies were taken over; nothing where none were."""
    return f", {taken_over} of them taken over" if taken_over else ""


def _is_of(row: dict[str, object] | None, key: str) -> bool:
    return row is not None and row["key"] == key


def _row(reply: Reply, key: str) -> dict[str, object]:
    return {
        "id": reply.id,
        "key": key,
        "text": reply.text,
        "finish": reply.finish,
        "tokens": reply.tokens,
    }
