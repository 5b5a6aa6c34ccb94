"""Examples to packed training rows: tokens, labels on reasoning and answer alone, no policy in the prompt.

The model learns the tokens that it will write: the completion with its tags, and the end of its turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.rows import Message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dalign._core import _Packed

# As many tokens of the policy in a row, in a prompt that must not hold it, count as a leak.
LEAK_TOKENS = 8
SCHEMA = {
    "input_ids": pl.List(pl.Int64),
    "labels": pl.List(pl.Int64),
    "position_ids": pl.List(pl.Int64),
    "rows": pl.List(pl.String),
}

# Texts in; token ids of all of them in one buffer, and where each text's begin (one more than texts).
Tokenize = Callable[[Sequence[str]], "tuple[NDArray[np.uint32], NDArray[np.uint64]]"]


@dataclass(frozen=True)
class TrainingText:
    """A row to be packed: the prompt as the chat template renders it (not trained on), and the completion (trained on)."""

    id: str
    category: str
    prompt: str
    own_words: str
    completion: str


def completion_text(
    reasoning: str | None, answer: str, tags: tuple[str, str] | None, *, opened: bool
) -> str:
    """A completion as the model writes it; `opened`: the chat template has already written the opening tag."""
    if tags is None:
        return answer
    start = "" if opened else tags[0]
    return f"{start} {reasoning or ''}{tags[1]} {answer}"


def own_words(messages: Sequence[Message]) -> str:
    """All that the user's conversation says."""
    return "\n".join(m["content"] for m in messages)


def mix(
    safety: Sequence[TrainingText], capability: Sequence[TrainingText], ratio: float, seed: int
) -> list[TrainingText]:
    """Safety rows and `ratio` capability rows for each, in a seeded order.

    Without any safety row the capability rows alone are taken, so that training is not empty.
    """
    rng = random.Random(seed)
    wanted = round(ratio * len(safety)) if safety else len(capability)
    drawn = list(capability)
    rng.shuffle(drawn)
    rows = [*safety, *drawn[:wanted]]
    rng.shuffle(rows)
    return rows


def check_no_spec(
    rows: Sequence[TrainingText], spec_texts: Sequence[str], tokenize: Tokenize
) -> None:
    """Raises InputError if a prompt holds a run of eight tokens of the policy that the user's own words do not hold."""
    forbidden = (
        set().union(*(_runs(ids) for ids in _pieces(tokenize(spec_texts)))) if spec_texts else set()
    )
    prompts = _pieces(tokenize([row.prompt for row in rows]))
    own = _pieces(tokenize([row.own_words for row in rows]))
    for row, prompt_ids, own_ids in zip(rows, prompts, own, strict=True):
        if (_runs(prompt_ids) & forbidden) - _runs(own_ids):
            raise InputError(
                f"training row {row.id}: its prompt holds a run of {LEAK_TOKENS} tokens of the policy that the user did not write; "
                "the chat template or a system message of the prompt brings the policy in, take it out there"
            )


def _pieces(encoded: tuple[NDArray[np.uint32], NDArray[np.uint64]]) -> list[list[int]]:
    ids, offsets = encoded
    bounds = offsets.tolist()
    return [ids[a:b].tolist() for a, b in pairwise(bounds)]


def _runs(ids: Sequence[int]) -> set[tuple[int, ...]]:
    return {tuple(ids[i : i + LEAK_TOKENS]) for i in range(len(ids) - LEAK_TOKENS + 1)}


@dataclass(frozen=True)
class Packed:
    """Packed rows (columns `SCHEMA`, one bin a row), and the rows that were too long for a bin."""

    rows: pl.DataFrame
    dropped: list[tuple[str, str, str, str]]
    tokens: int
    trained_tokens: int


def pack(
    rows: Sequence[TrainingText], tokenize: Tokenize, *, capacity: int, over_long: str, end: str
) -> Packed:
    """Tokenises the rows, prompt and completion apart, and packs them into bins of `capacity` tokens.

    end: the end of the model's turn, trained on. Raises InputError for a row longer than the capacity, unless
    `over_long` is "drop": rows are never cut.
    """
    import numpy as np

    segments = [text for row in rows for text in (row.prompt, row.completion + end)]
    ids, offsets = tokenize(segments)
    lengths = np.diff(offsets).reshape(-1, 2).sum(axis=1).astype(np.uint32)
    keep = [i for i, length in enumerate(lengths.tolist()) if length <= capacity]
    dropped = []
    for i in sorted(set(range(len(rows))) - set(keep)):
        if over_long == "error":
            raise InputError(
                f"training row {rows[i].id}: {lengths[i]} tokens, more than pack.capacity = {capacity}; "
                "raise it, or set pack.over_long = 'drop' (rows are never cut)"
            )
        dropped.append(
            (rows[i].id, rows[i].category, "over_long", f"{lengths[i]} tokens > {capacity}")
        )
    if not keep:
        return Packed(pl.DataFrame(schema=SCHEMA), dropped, 0, 0)
    ids, offsets = tokenize([segments[2 * i + part] for i in keep for part in (0, 1)])
    order, bins = _core.pack_plan(pl.Series(lengths[keep], dtype=pl.UInt32), capacity)
    owners = pl.Series([i for i in range(len(keep)) for _ in (0, 1)], dtype=pl.UInt32)
    trained = pl.Series([flag for _ in keep for flag in (False, True)], dtype=pl.Boolean)
    flat = _core.assemble(ids, offsets, owners, trained, order, bins)
    frame = _bins_frame(flat, [rows[i].id for i in keep], order.tolist(), bins.tolist())
    return Packed(frame, dropped, len(flat["input_ids"]), int((flat["labels"] != -100).sum()))


def _bins_frame(
    flat: _Packed, names: Sequence[str], order: Sequence[int], bins: Sequence[int]
) -> pl.DataFrame:
    """One row a bin, from the flat buffers."""
    placed = [names[i] for i in order]
    tokens = list(pairwise(flat["bin_offsets"].tolist()))
    columns = {
        "input_ids": flat["input_ids"],
        "labels": flat["labels"],
        "position_ids": flat["position_ids"],
    }
    data = {name: [flat_ids[a:b].tolist() for a, b in tokens] for name, flat_ids in columns.items()}
    return pl.DataFrame(data | {"rows": [placed[a:b] for a, b in pairwise(bins)]}, schema=SCHEMA)
