"""Examples to packed training rows: tokens, labels on reasoning and answer alone, no policy in the prompt.

The model learns the tokens that it will write: the completion with its tags, and the end of its turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from dalign import _core
from dalign.errors import InputError, from_core
from dalign.rows import IGNORED, Message

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
    prompts, own = tokenize([row.prompt for row in rows]), tokenize([row.own_words for row in rows])
    leak = _core.first_leak(prompts, own, tokenize(spec_texts), LEAK_TOKENS)
    if leak is not None:
        raise InputError(
            f"training row {rows[leak].id}: its prompt holds a run of {LEAK_TOKENS} tokens of the policy that the user did not write; "
            "the chat template or a system message of the prompt brings the policy in, take it out there"
        )


@dataclass(frozen=True)
class Packed:
    """Packed rows (columns `SCHEMA`, one bin a row), and the rows that were too long for a bin.

    masked: ids of the rows that were cut to a bin and carry no loss.
    """

    rows: pl.DataFrame
    dropped: list[tuple[str, str, str, str]]
    masked: list[str]
    tokens: int
    trained_tokens: int


def pack(
    rows: Sequence[TrainingText], tokenize: Tokenize, *, capacity: int, over_long: str, end: str
) -> Packed:
    """Tokenises the rows, prompt and completion apart, and packs them into bins of `capacity` tokens.

    end: the end of the model's turn, trained on. over_long: what a row longer than the capacity does.
    "error" raises InputError, "drop" leaves it out, "mask" cuts it to the capacity and takes all of it
    out of the loss: no row is cut to train on a part.
    """
    import numpy as np

    ids, offsets = tokenize([text for row in rows for text in (row.prompt, row.completion + end)])
    lengths = np.diff(offsets).reshape(-1, 2).sum(axis=1)
    try:
        order, bins, too_long = _core.pack_plan_with(lengths, capacity, over_long)
    except _core.CoreError as error:
        if error.kind != "row_too_long" or error.row is None:
            raise
        what = (
            f"training row {rows[error.row].id}: {lengths[error.row]} tokens, more than pack.capacity = {capacity}; "
            "raise it, or set pack.over_long = 'drop' or 'mask' (no row is cut to train on a part)"
        )
        raise from_core(error, what) from error
    owners = np.repeat(np.arange(len(rows), dtype=np.uint32), 2)
    trained = np.tile(np.array([False, True]), len(rows))
    flat = _core.assemble(ids, offsets, owners, trained, order, bins, capacity)
    long_rows = [rows[i] for i in too_long.tolist()]
    long_lengths = lengths[too_long].tolist()
    return Packed(
        _bins_frame(flat, [rows[i].id for i in order.tolist()], bins),
        [
            (row.id, row.category, "over_long", f"{length} tokens > {capacity}")
            for row, length in zip(long_rows, long_lengths, strict=True)
            if over_long == "drop"
        ],
        [row.id for row in long_rows if over_long == "mask"],
        len(flat["input_ids"]),
        int((flat["labels"] != IGNORED).sum()),
    )


def _bins_frame(flat: _Packed, names: Sequence[str], bins: NDArray[np.uint32]) -> pl.DataFrame:
    """One row a bin, from the flat buffers and the names of the rows in the plan's order."""
    import numpy as np

    def lists(columns: Mapping[str, object], offsets: NDArray[np.integer]) -> pl.DataFrame:
        """The flat columns, cut into lists."""
        ends = offsets.astype(np.int64)
        counts = ends[1:] - ends[:-1]
        grouped = pl.DataFrame({"bin": np.repeat(np.arange(len(counts)), counts), **columns})
        return grouped.group_by("bin", maintain_order=True).agg(pl.all()).drop("bin")

    tokens = {name: flat[name] for name in ("input_ids", "labels", "position_ids")}
    named = {"rows": pl.Series(names, dtype=pl.String)}
    frame = pl.concat([lists(tokens, flat["bin_offsets"]), lists(named, bins)], how="horizontal")
    return frame.cast(dict(SCHEMA.items()))
