"""A run's training rows: safety and capability rows mixed, checked to hold no policy, and packed, all part by part.

The model learns the tokens that it will write: the completion with its tags, and the end of its turn.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.files.batch import Decision
from dalign.models.render import Renderer
from dalign.pack.in_context import Tokenize
from dalign.pack.packer import Capacity, OverLong, Packer, Segments, bin_schema
from dalign.rows import Dropped, own_words, table, turns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# prompt: as the chat template renders it, not trained on; own_words: all that the user's conversation says; completion: as
# the model writes it, trained on; control: a control token that stands in it, or null.
TEXTS_SCHEMA = dict.fromkeys(
    ("id", "category", "prompt", "own_words", "completion", "control"), pl.String
)
# One row a bin; `rows`: ids of the training rows.
SCHEMA = bin_schema(pl.String())
# As many tokens of the policy in a row, in a prompt that must not hold it, count as a leak.
LEAK_TOKENS = 8
# Rows that are mixed with one another: all of them, where there are no more.
WINDOW_ROWS = 32_768
# Rows of a part that comes out of the mix.
PART_ROWS = 2_048
# About 400 MB: bins are those of one plan up to so many tokens.
BUFFER_TOKENS = 1 << 22


def training_texts(rows: pl.DataFrame, renderer: Renderer, *, apart: bool = False) -> pl.DataFrame:
    """Conversations and their answers as texts (columns `TEXTS_SCHEMA`).

    Columns of the rows: id, category, messages, reasoning, answer, and text where a model has written them.
    apart: it may have come without the white space that the model wrote; see `Form.written`.
    """
    conversations = turns(rows["messages"])
    texts = rows["text"] if "text" in rows.columns else [None] * rows.height
    answered = zip(rows["reasoning"], rows["answer"], texts, strict=True)
    completions = [
        renderer.completion(reasoning, answer)
        if text is None
        else renderer.written(text, apart=apart)
        for reasoning, answer, text in answered
    ]
    parts = pl.concat_str(pl.col("reasoning", "answer").fill_null(""), separator="\n")
    return rows.select(
        "id",
        "category",
        prompt=pl.Series(renderer.prompts(conversations), dtype=pl.String),
        own_words=own_words(rows["messages"]),
        completion=pl.Series(completions, dtype=pl.String),
        control=parts.str.extract_many(list(renderer.control)).list.first(),
    )


@dataclass(frozen=True)
class Mix:
    """Safety rows and `ratio` capability rows for each, in a seeded order.

    Without any safety row the capability rows alone are taken, so that training is not empty.
    Windows of both are taken in proportion, in the order in which they come, and each is shuffled: the whole, where there
    are no more than `window_rows`. Within a window the order of the safety rows makes no difference: their ids say it.
    """

    safety_rows: int
    capability_rows: int
    ratio: float
    seed: int
    window_rows: int = WINDOW_ROWS

    def parts(
        self, safety: Iterable[pl.DataFrame], capability: Iterable[pl.DataFrame]
    ) -> Iterator[pl.DataFrame]:
        """The rows of both, which have the same columns, `id` among them."""
        import numpy as np

        rng = random.Random(self.seed)
        # The capability rows that are taken, in a random order.
        shuffled = list(range(self.capability_rows))
        rng.shuffle(shuffled)
        wanted = round(self.ratio * self.safety_rows) if self.safety_rows else len(shuffled)
        drawn = np.array(shuffled[:wanted], dtype=np.int64)
        # The places in the draw, in the order in which the rows are read.
        places = np.argsort(drawn)
        ours, others = _Reader(safety), _Reader(capability)
        windows = max(1, -(-(self.safety_rows + len(drawn)) // self.window_rows))
        for window in range(windows):
            found = ours.pick(np.arange(*_share(self.safety_rows, window, windows)))
            here = places[slice(*_share(len(drawn), window, windows))]
            rows = [*(part.sort("id") for part in found)]
            rows += [part[np.argsort(here)] for part in others.pick(drawn[here])]
            if rows:
                mixed = pl.concat(rows)
                order = list(range(mixed.height))
                rng.shuffle(order)
                yield from mixed[order].iter_slices(PART_ROWS)


def _share(rows: int, window: int, windows: int) -> tuple[int, int]:
    """Where a window's part of so many rows begins and ends."""
    return rows * window // windows, rows * (window + 1) // windows


class _Reader:
    """Rows by number, out of parts that come one after the other."""

    def __init__(self, parts: Iterable[pl.DataFrame]) -> None:
        self._parts = iter(parts)
        self._part = pl.DataFrame()
        self._first = 0

    def pick(self, rows: NDArray[np.int64]) -> list[pl.DataFrame]:
        """A table of these rows, none if there are none. Rows rise, from one call to the next too."""
        import numpy as np

        found, start = [], 0
        while start < len(rows):
            end = int(np.searchsorted(rows, self._first + self._part.height))
            if start < end:
                found.append(self._part[rows[start:end] - self._first])
            else:
                self._first += self._part.height
                self._part = next(self._parts)
            start = end
        return [pl.concat(found)] if found else []


def check_no_spec(
    texts: Iterable[pl.DataFrame], spec_texts: Sequence[str], tokenize: Tokenize
) -> Iterator[pl.DataFrame]:
    """The same parts, once looked at.

    Raises InputError if a prompt holds a run of eight tokens of the policy that the user's own words do not hold.
    """
    policy = tokenize(pl.Series(spec_texts, dtype=pl.String))
    for part in texts:
        prompts, own = tokenize(part["prompt"]), tokenize(part["own_words"])
        leak = _core.first_leak(prompts, own, policy, LEAK_TOKENS)
        if leak is not None:
            said = f"training row {part['id'][leak]}: its prompt holds a run of {LEAK_TOKENS} tokens of the policy that the user did not write; the chat template or a system message of the prompt brings the policy in, take it out there"
            raise InputError(said, kind="policy_in_prompt")
        yield part
        # Else it would live until the next part is made.
        del part


class Packing(Packer):
    """Packs training texts that come in parts, and keeps what became of the rows that are longer than a bin.

    `rows`: how many rows came; `masked`: ids of those that were cut to a bin and carry no loss.
    """

    def __init__(
        self,
        tokenize: Tokenize,
        *,
        capacity: int,
        over_long: OverLong,
        end: str,
        buffer_tokens: int = BUFFER_TOKENS,
    ) -> None:
        """end: the end of the model's turn, which it learns to write; every row then ends with its last token."""
        setting = f"pack.capacity = {capacity}"
        way_out = (
            "raise it, or set pack.over_long = 'drop' or 'mask' (no row is cut to train on a part)"
        )
        super().__init__(tokenize, Capacity(capacity, over_long, setting, way_out), buffer_tokens)
        self.end_text = end
        ends, _ = tokenize(pl.Series([end], dtype=pl.String))
        self._end = int(ends[-1]) if len(ends) else None
        self._dropped = [table(Dropped.COLUMNS)]
        self.rows = 0

    def bins(self, texts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Tables of bins. Columns of the texts: `TEXTS_SCHEMA`; of the bins: `SCHEMA`."""
        for part in texts:
            if part.height == 0:
                continue
            self.rows += part.height
            told = part.select(pl.format("the text {} would become a control token", "control"))
            leaked = Decision.because("control_token", told.to_series())
            kept = part.filter(leaked.keep)
            self._dropped.append(leaked.dropped(part))
            # Else it would live until the next part is made.
            del part
            if kept.height:
                decision, bins = self.add(self._segments(kept))
                self._dropped.append(decision.dropped(kept))
                del kept
                yield from bins
        yield from self.end()

    def _segments(self, part: pl.DataFrame) -> Segments:
        ids = part["id"]

        def refuse(
            row: int, problem: str, *, kind: str = "bad_row", value: object = None
        ) -> InputError:
            return InputError(f"training row {ids[row]}: {problem}", kind=kind, value=value)

        return Segments.of_pairs(part["prompt"], part["completion"] + self.end_text, ids, refuse)

    @property
    def dropped(self) -> pl.DataFrame:
        """The rows that were left out so far. Columns: `Dropped`."""
        return pl.concat(self._dropped)
