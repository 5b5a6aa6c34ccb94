"""Rows of text to bins of tokens: tokenised, packed through a bounded buffer, labels on what is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.files.batch import Decision
from dalign.pack.in_context import Tokenize, encode_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OverLong = Literal["error", "drop", "mask"]
# Makes the error that a row, counted from 0 in its part, is at fault for: (row, problem, *, kind, value), with its place
# or its name.
Refuse = Callable[..., InputError]

# A bin this full is written at once; the rows of others wait for better company.
FULL = 0.98


def bin_schema(names: pl.DataType) -> dict[str, pl.DataType]:
    """The columns of a table of bins; its `rows` have names of this type."""
    return {
        "input_ids": pl.List(pl.Int32()),
        "labels": pl.List(pl.Int32()),
        "position_ids": pl.List(pl.Int32()),
        "sequence_starts": pl.List(pl.UInt32()),
        "rows": pl.List(names),
    }


@dataclass(frozen=True)
class Segments:
    """The texts of some rows, flat. `rows`: the row of each, rising; `trained`: whether it carries loss.

    names: what each row is called in its bin.
    """

    texts: pl.Series
    rows: NDArray[np.uint32]
    trained: NDArray[np.bool_]
    names: pl.Series
    refuse: Refuse

    @classmethod
    def of_rows(
        cls, segments: Sequence[Sequence[tuple[str, bool]]], names: pl.Series, refuse: Refuse
    ) -> Segments:
        """The texts of each row, each with whether it is trained on."""
        import numpy as np

        rows = np.repeat(np.arange(len(segments), dtype=np.uint32), [*map(len, segments)])
        texts = pl.Series([text for row in segments for text, _ in row], dtype=pl.String)
        trained = np.array([train for row in segments for _, train in row], dtype=bool)
        return cls(texts, rows, trained, names, refuse)

    @classmethod
    def of_pairs(
        cls, prompts: pl.Series, completions: pl.Series, names: pl.Series, refuse: Refuse
    ) -> Segments:
        """A prompt and a completion a row, the completion trained on."""
        import numpy as np

        pairs = pl.DataFrame({"prompt": prompts, "completion": completions})
        texts = pairs.select(pl.concat_list("prompt", "completion")).to_series().explode()
        rows = np.repeat(np.arange(len(prompts), dtype=np.uint32), 2)
        return cls(texts, rows, np.tile([False, True], len(prompts)), names, refuse)

    def without_end(self, ends: Sequence[str]) -> pl.Series:
        """Of each row whether its last text has none of these tokens at its end, but for white space."""
        import numpy as np

        is_last = np.append(self.rows[1:] != self.rows[:-1], [True] * (len(self.rows) > 0))
        last = self.texts.filter(pl.Series(is_last, dtype=pl.Boolean)).str.strip_chars_end()
        has_end = pl.Series(np.zeros(len(last), dtype=bool))
        for end in ends:
            has_end |= last.str.ends_with(end)
        return ~has_end


@dataclass(frozen=True)
class Capacity:
    """Tokens that a bin holds, and what a longer row does: no row is cut to train on a part.

    "error" raises InputError, "drop" leaves it out, "mask" cuts it to the capacity and takes all of it out of the loss.
    setting: what the user set it with; way_out: what the user may do about a longer row.
    """

    tokens: int
    over_long: OverLong
    setting: str
    way_out: str


@dataclass
class Tally:
    """What has been packed so far."""

    bins: int = 0
    tokens: int = 0
    trained_tokens: int = 0


class Packer:
    """Packs rows that come part by part, holding about `buffer_tokens` tokens of them, at 96 bytes each.

    A bin is written once it is full, or when the input ends: rows whose bin has room wait for later ones. Bins depend
    on the rows and the settings alone, not on parts; where the buffer holds all rows, they are those of one plan, longest
    rows first. `masked`: the names of rows that were too long and carry no loss.
    """

    def __init__(self, tokenize: Tokenize, capacity: Capacity, buffer_tokens: int) -> None:
        self.tally, self.masked = Tally(), list[Any]()
        # What every row must end with, if anything.
        self._end: int | None = None
        self._tokenize, self._capacity = tokenize, capacity
        self._buffer_tokens = max(buffer_tokens, capacity.tokens)
        self._waiting: list[pl.DataFrame] = []
        self._waiting_tokens = 0
        # Rows that are dropped never come to it.
        rule = "mask" if capacity.over_long == "mask" else "error"
        self._packer = _core.TablePacker(capacity.tokens, rule)

    def add(self, segments: Segments) -> tuple[Decision, Iterator[pl.DataFrame]]:
        """Which rows are packed, and the bins (columns `bin_schema`) that this fills, to be gone through.

        Raises InputError for a row without a token, one that trains on nothing, and one longer than the capacity unless
        the settings say otherwise: rows are never cut silently.
        """
        import numpy as np

        try:
            ids, offsets = encode_rows(self._tokenize, segments.texts, segments.rows)
        except _core.CoreError as error:
            raise segments.refuse(0, f"or a row after it: {error}", kind=error.kind) from error
        lengths = np.diff(offsets).astype(np.int64)
        table = pl.DataFrame(
            {
                "row": np.repeat(segments.rows, lengths),
                "input_ids": ids,
                "train_mask": np.repeat(segments.trained, lengths),
            }
        )
        # Rows rise, so that groups are slices.
        rows = (
            table.with_columns(pl.col("row").set_sorted(), pl.col("input_ids").cast(pl.Int32))
            .group_by("row", maintain_order=True)
            .agg("input_ids", "train_mask")
        )
        _check(segments, rows, self._end)
        rows = rows.with_columns(segments.names.alias("row"))
        decision = self._fit(segments, rows["input_ids"].list.len())
        return decision, self._take(rows.filter(decision.keep))

    @property
    def padding(self) -> float:
        """The share of the bins so far that holds no token."""
        return 1 - self.tally.tokens / max(1, self.tally.bins * self._capacity.tokens)

    def end(self) -> Iterator[pl.DataFrame]:
        """The bins of all rows that still wait."""
        if self._waiting:
            yield self._pack(is_last=True)

    def _fit(self, segments: Segments, lengths: pl.Series) -> Decision:
        """The rows longer than a bin: refused, dropped or masked."""
        capacity = self._capacity
        too_long = lengths > capacity.tokens
        if capacity.over_long == "error" and too_long.any():
            row = int(too_long.arg_max() or 0)
            problem = f"{lengths[row]} tokens, more than {capacity.setting}; {capacity.way_out}"
            error = segments.refuse(row, problem, kind="row_too_long", value=lengths[row])
            error.limit = capacity.tokens
            raise error
        if capacity.over_long == "mask":
            self.masked.extend(segments.names.filter(too_long))
            return Decision.keep_all(len(lengths))
        told = pl.DataFrame({"tokens": lengths, "long": too_long})
        detail = pl.format(f"{{}} tokens > {capacity.tokens}", "tokens")
        return Decision.of(told, pl.when("long").then(pl.lit("over_long")), detail)

    def _take(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Adds rows one after the other, packing whenever the buffer is full: where parts end makes no difference."""
        ends = rows["input_ids"].list.len().cast(pl.Int64).cum_sum()
        start = 0
        while start < rows.height:
            before = int(ends[start - 1]) if start else 0
            fits = int((ends <= before + self._buffer_tokens - self._waiting_tokens).sum()) - start
            if fits <= 0 and self._waiting:
                yield self._pack(is_last=False)
                continue
            stop = start + max(1, fits)
            self._waiting.append(rows.slice(start, stop - start))
            self._waiting_tokens += int(ends[stop - 1]) - before
            start = stop

    def _pack(self, *, is_last: bool) -> pl.DataFrame:
        rows = pl.concat(self._waiting, rechunk=True)
        packed, _ = self._packer.pack(rows.select("input_ids", "train_mask"))
        bins = pl.DataFrame(packed)
        tokens = bins["input_ids"].list.len()
        # The fuller half at least: what waits must leave room for new rows.
        is_full = (tokens >= FULL * self._capacity.tokens) | (tokens >= tokens.median())
        written = is_full | is_last
        waiting = bins["rows"].filter(~written).explode().sort()
        self._waiting = [rows[waiting]] if len(waiting) else []
        self._waiting_tokens = int(rows["input_ids"].list.len().gather(waiting).sum())
        return self._finish(bins.filter(written), rows["row"])

    def _finish(self, bins: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
        self.tally.bins += bins.height
        self.tally.tokens += int(bins["input_ids"].list.len().sum())
        self.tally.trained_tokens += int((bins["labels"].explode() >= 0).sum())
        # Positions of rows to their names.
        rows = bins.select(bin=pl.int_range(pl.len()), rows="rows").explode("rows")
        rows = rows.with_columns(names.gather(rows["rows"]).alias("rows"))
        return bins.select(
            "input_ids",
            "labels",
            pl.Series(_core.position_ids(bins["seq_lengths"])).alias("position_ids"),
            "sequence_starts",
            rows.group_by("bin", maintain_order=True).agg("rows")["rows"],
        ).cast(bin_schema(names.dtype))  # type: ignore[arg-type]


def _check(segments: Segments, rows: pl.DataFrame, end: int | None) -> None:
    """Raises InputError for a row that nothing can be learnt from. rows: those that have tokens."""
    if rows.height < len(segments.names):
        has_tokens = pl.int_range(len(segments.names), eager=True).is_in(rows["row"].implode())
        row = int(has_tokens.arg_min() or 0)
        raise segments.refuse(row, "has no token; leave the row out")
    # Nothing predicts a row's first token, so it never carries loss.
    is_trained = rows["train_mask"].list.slice(1).list.any()
    if not is_trained.all():
        row = int(is_trained.arg_min() or 0)
        problem = "trains on no token; give it a completion or leave it out"
        raise segments.refuse(row, problem)
    if end is not None and (others := rows["input_ids"].list.last() != end).any():
        row = int(others.arg_max() or 0)
        problem = "does not end with the token that ends a turn, so the model would learn no end; have it be a special token in the checkpoint's tokenizer.json"
        raise segments.refuse(row, problem)
