"""Rows of text to bins of tokens: tokenised, packed through a bounded buffer, labels on what is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.files.batch import Batch, Decision
from dalign.files.refusals import refusals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OverLong = Literal["error", "drop", "mask"]
# A conversation as (text, whether it is trained on), in order.
Render = Callable[[Sequence[Mapping[str, Any]]], list[tuple[str, bool]]]

SCHEMA: dict[str, pl.DataType] = {
    "input_ids": pl.List(pl.Int32()),
    "labels": pl.List(pl.Int32()),
    "position_ids": pl.List(pl.Int32()),
    "sequence_starts": pl.List(pl.UInt32()),
    "rows": pl.List(pl.UInt64()),
}
NO_FORM = "has neither prompt and completion, nor messages, nor segments; give one of these"
# A bin this full is written at once; the rows of others wait for better company.
FULL = 0.98


@dataclass(frozen=True)
class Texts:
    """Segments of some rows, flat. `rows`: the row of each, rising; `trained`: whether it carries loss."""

    texts: pl.Series
    rows: NDArray[np.uint32]
    trained: NDArray[np.bool_]


@dataclass
class Tally:
    """What has been packed so far. `masked`: rows that were too long and carry no loss."""

    bins: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    masked: int = 0


def read_texts(batch: Batch, render: Render | None, end: str) -> Texts:
    """The segments of a batch: rows of `segments`, of `messages` (with `render`), or of `prompt` and `completion`.

    end: a text after each completion, trained on. Raises InputError for a row that has none of these.
    """
    if batch.has("segments"):
        return _flat([_segments(batch, row, v) for row, v in enumerate(batch.objects("segments"))])
    if batch.has("messages"):
        if render is None:
            raise InputError(
                f"{batch.place(0)}: has messages, which a chat template renders; give a checkpoint's folder as --tokenizer"
            )
        return _flat(
            [_turns(batch, row, v, render) for row, v in enumerate(batch.objects("messages"))]
        )
    if batch.has("prompt") or batch.has("completion"):
        return _prompted(batch.texts("prompt"), batch.texts("completion"), end)
    raise batch.refuse(0, NO_FORM)


def _prompted(prompts: pl.Series, completions: pl.Series, end: str) -> Texts:
    import numpy as np

    rows = len(prompts)
    pairs = pl.DataFrame({"prompt": prompts, "completion": completions + end})
    texts = pairs.select(pl.concat_list("prompt", "completion")).to_series().explode()
    return Texts(
        texts, np.repeat(np.arange(rows, dtype=np.uint32), 2), np.tile([False, True], rows)
    )


def _segments(batch: Batch, row: int, value: object) -> list[tuple[str, bool]]:
    wanted = 'a list of {"text": …, "train": true or false}'
    if not isinstance(value, list):
        raise batch.wrong(row, "segments", value, wanted)
    for segment in value:
        if (
            not isinstance(segment, dict)
            or not isinstance(segment.get("text"), str)
            or not isinstance(segment.get("train"), bool)
        ):
            raise batch.wrong(row, "segments", value, wanted)
    return [(segment["text"], segment["train"]) for segment in value]


def _turns(batch: Batch, row: int, value: object, render: Render) -> list[tuple[str, bool]]:
    wanted = 'a list of {"role": …, "content": …} that ends on the assistant'
    if not isinstance(value, list) or not value:
        raise batch.wrong(row, "messages", value, wanted)
    for turn in value:
        if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
            raise batch.wrong(row, "messages", value, wanted)
    if value[-1].get("role") != "assistant":
        raise batch.wrong(row, "messages", value[-1], wanted)
    try:
        return render(value)
    except InputError as error:
        raise batch.refuse(row, str(error)) from error


def _flat(segments: Sequence[Sequence[tuple[str, bool]]]) -> Texts:
    import numpy as np

    counts = [len(row) for row in segments]
    texts = pl.Series([text for row in segments for text, _ in row], dtype=pl.String)
    trained = np.array([train for row in segments for _, train in row], dtype=bool)
    return Texts(texts, np.repeat(np.arange(len(segments), dtype=np.uint32), counts), trained)


@dataclass
class Packer:
    """Packs rows that come batch by batch, holding about `buffer_tokens` tokens of them.

    A bin is written once it is full, or when the input ends: rows whose bin has room wait for later ones. Bins depend
    on the rows and the settings alone, not on batches.
    """

    tokenizer: _core.Tokenizer
    capacity: int
    over_long: OverLong
    buffer_tokens: int
    tally: Tally = field(default_factory=Tally)
    _waiting: list[pl.DataFrame] = field(default_factory=list)
    _waiting_tokens: int = 0
    _packer: _core.TablePacker = field(init=False)

    def __post_init__(self) -> None:
        # Rows that are dropped never come to it.
        rule = "mask" if self.over_long == "mask" else "error"
        self._packer = _core.TablePacker(self.capacity, rule)

    def add(self, batch: Batch, texts: Texts) -> tuple[Decision, Iterator[pl.DataFrame]]:
        """Which rows of a batch are packed, and the bins (columns `SCHEMA`) that this fills: to be gone through.

        Raises InputError for a row without a token, one that trains on nothing, and one longer than the capacity unless
        the settings say otherwise: rows are never cut silently.
        """
        tokens, decision = self._tokens(batch, texts)
        return decision, self._take(tokens)

    def end(self) -> Iterator[pl.DataFrame]:
        """The bins of all rows that still wait."""
        if self._waiting:
            yield self._pack(is_last=True)

    def _tokens(self, batch: Batch, texts: Texts) -> tuple[pl.DataFrame, Decision]:
        import numpy as np

        with refusals(f"{batch.place(0)} and after it"):
            ids, offsets = self.tokenizer.encode(texts.texts)
        lengths = np.diff(offsets).astype(np.int64)
        row_lengths = np.bincount(texts.rows, lengths, minlength=batch.rows).astype(np.int64)
        rows = np.repeat(texts.rows, lengths)
        mask = np.repeat(texts.trained, lengths)
        self._check(batch, row_lengths, rows, mask)
        table = pl.DataFrame({"row": rows, "input_ids": ids, "train_mask": mask})
        # Rows rise, so that groups are slices.
        table = table.with_columns(
            pl.col("row").cast(pl.UInt64).set_sorted() + batch.first_row,
            pl.col("input_ids").cast(pl.Int32),
        )
        lists = table.group_by("row", maintain_order=True).agg("input_ids", "train_mask")
        decision = self._fit(batch, row_lengths)
        return lists.filter(decision.keep), decision

    def _check(
        self,
        batch: Batch,
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint32],
        mask: NDArray[np.bool_],
    ) -> None:
        """Raises InputError for a row that nothing can be learnt from."""
        import numpy as np

        if (lengths == 0).any():
            raise batch.refuse(int(np.argmin(lengths)), "has no token; leave the row out")
        # Nothing predicts a row's first token, so it never carries loss.
        follows = np.ones(len(rows), dtype=bool)
        follows[np.cumsum(lengths) - lengths] = False
        trained = np.bincount(rows[mask & follows], minlength=batch.rows)
        if (trained == 0).any():
            row = int(np.argmax(trained == 0))
            raise batch.refuse(row, "trains on no token; give it a completion or leave it out")

    def _fit(self, batch: Batch, lengths: NDArray[np.int64]) -> Decision:
        """The rows longer than a bin: refused, dropped or masked."""
        import numpy as np

        too_long = lengths > self.capacity
        if not too_long.any() or self.over_long == "mask":
            self.tally.masked += int(too_long.sum())
            return Decision.keep_all(batch.rows)
        if self.over_long == "error":
            row = int(np.argmax(too_long))
            raise batch.refuse(
                row,
                f"has {lengths[row]} tokens, more than --capacity {self.capacity}; raise it, or give --over-long drop or mask",
            )
        told = pl.DataFrame({"tokens": lengths, "long": too_long}).select(
            reason=pl.when("long").then(pl.lit("over_long")),
            detail=pl.format(f"{{}} tokens, the bins hold {self.capacity}", "tokens"),
        )
        return Decision.of(told["reason"], told["detail"])

    def _take(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Adds rows one after the other, packing whenever the buffer is full: where batches end makes no difference."""
        ends = rows["input_ids"].list.len().cast(pl.Int64).cum_sum()
        start = 0
        while start < rows.height:
            before = int(ends[start - 1]) if start else 0
            fits = int((ends <= before + self.buffer_tokens - self._waiting_tokens).sum()) - start
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
        written = self._is_written(bins, is_last=is_last)
        waiting = bins["rows"].filter(~written).explode().sort()
        self._waiting = [rows[waiting]] if len(waiting) else []
        self._waiting_tokens = int(rows["input_ids"].list.len().gather(waiting).sum())
        return self._finish(bins.filter(written), rows["row"])

    def _is_written(self, bins: pl.DataFrame, *, is_last: bool) -> pl.Series:
        tokens = bins["input_ids"].list.len()
        if is_last:
            return tokens >= 0
        # The fuller half at least: what waits must leave room for new rows.
        return (tokens >= FULL * self.capacity) | (tokens >= tokens.median())

    def _finish(self, bins: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        self.tally.bins += bins.height
        self.tally.tokens += int(bins["input_ids"].list.len().sum())
        self.tally.trained_tokens += int(
            bins["labels"].list.eval(pl.element() >= 0).list.sum().sum()
        )
        rows = bins.select(pl.int_range(pl.len()).alias("bin"), "rows").explode("rows")
        rows = rows.select("bin", numbers.gather(rows["rows"]).alias("rows"))
        rows = rows.group_by("bin", maintain_order=True).agg("rows")
        return bins.select(
            "input_ids",
            "labels",
            pl.Series(_core.position_ids(bins["seq_lengths"])).alias("position_ids"),
            "sequence_starts",
            rows["rows"],
        ).cast(dict(SCHEMA))  # type: ignore[arg-type]
