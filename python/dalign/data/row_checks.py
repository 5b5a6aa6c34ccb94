"""What may drop a row: its form, its length, and that it was there before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.data.jsonl_rows import LineBatch
from dalign.data.row_batch import Batch, Decision, FrameBatch
from dalign.errors import InputError


@dataclass(frozen=True)
class Form:
    """What a completion must look like. Tags None: the whole text is the answer. Lengths in characters."""

    text_field: str
    tags: tuple[str, str] | None = ("<think>", "</think>")
    prefilled: bool = False
    min_chars: int = 0
    max_chars: int | None = None


class FormCheck:
    """Drops malformed completions, too short ones, too long ones and, if asked to, those kept before."""

    def __init__(self, form: Form, memory_mib: int, *, dedup: bool) -> None:
        opened, closed = form.tags or (None, None)
        self._text_field = form.text_field
        try:
            self._filter = _core.RowFilter(
                opened, closed, form.prefilled, form.min_chars, form.max_chars, dedup, memory_mib
            )
        except _core.CoreError as error:
            raise InputError(str(error)) from error

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: the status of the form, `too_short`, `too_long` or `duplicate`."""
        if isinstance(batch, LineBatch):
            return Decision.told(*self._filter.check_batch(batch.batch, self._text_field))
        texts = batch.texts(self._text_field)
        return _by_row(Decision.told(*self._filter.check(texts, untruncated(batch.rows))))


def untruncated(rows: int) -> pl.Series:
    """The column that says of no row that generation stopped at the token limit."""
    return pl.Series([False], dtype=pl.Boolean).new_from_index(0, rows)


def _by_row(decision: Decision) -> Decision:
    """The decision with rows, counted from 0, where its details name lines, counted from 1."""
    line = pl.col("detail").str.extract(r" line (\d+)$").cast(pl.Int64)
    details = (
        decision.details.alias("detail")
        .to_frame()
        .select(
            pl.when(line.is_not_null())
            .then(pl.format("the same text as row {}", line - 1))
            .otherwise("detail")
        )
    )
    return Decision(decision.keep, decision.reasons, details.to_series())


class TokenCheck:
    """Drops texts of too few or too many tokens."""

    def __init__(
        self, text_field: str, tokenizer: Path, min_tokens: int, max_tokens: int | None
    ) -> None:
        self._text_field = text_field
        self._tokenizer = open_tokenizer(tokenizer)
        self._least, self._most = min_tokens, max_tokens

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: `too_few_tokens` or `too_many_tokens`."""
        _, offsets = self._tokenizer.encode(batch.texts(self._text_field))
        tokens = pl.Series("tokens", offsets[1:] - offsets[:-1])
        most = 2**63 if self._most is None else self._most
        told = tokens.to_frame().select(
            reason=pl.when(pl.col("tokens") < self._least)
            .then(pl.lit("too_few_tokens"))
            .when(pl.col("tokens") > most)
            .then(pl.lit("too_many_tokens")),
            detail=pl.format("{} tokens", "tokens"),
        )
        return Decision.of(told["reason"], told["detail"])


class DuplicateCheck:
    """Drops texts that an earlier, kept row has, up to white space."""

    def __init__(self, text_field: str, memory_mib: int) -> None:
        self._check = FormCheck(Form(text_field, tags=None), memory_mib, dedup=True)
        self._blank: str | None = None

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: `duplicate`."""
        decision = self._check(batch)
        blank = (decision.reasons == "empty_answer").fill_null(False)
        if not blank.any():
            return decision
        # A filter has no use for blank texts; here they are copies of the first of them.
        reasons, details = decision.reasons.to_list(), decision.details.to_list()
        for row in blank.arg_true().to_list():
            reasons[row] = details[row] = None
            if self._blank is None:
                self._blank = batch.place(row)
            else:
                reasons[row], details[row] = "duplicate", f"blank as {self._blank}"
        return Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))


class SurvivorCheck:
    """Drops texts that a row which passed every other check has, up to white space."""

    def __init__(self, text_field: str, memory_mib: int) -> None:
        self._text_field = text_field
        self._check = FormCheck(Form(text_field, tags=None), memory_mib, dedup=True)

    def __call__(self, batch: Batch, earlier: Decision) -> Decision:
        """The decision on those rows of a batch that `earlier` keeps: `duplicate`."""
        rows = batch.texts(self._text_field).alias(self._text_field).to_frame()
        passed = FrameBatch(rows.filter(earlier.keep), 0, "")
        if passed.rows == 0:
            return earlier
        found = self._check(passed)
        where = earlier.keep.arg_true().filter(~found.keep)
        # `scatter` writes in place: the earlier decision's columns stay as they are.
        reasons = earlier.reasons.clear(batch.rows).scatter(where, "duplicate")
        details = earlier.reasons.clear(batch.rows).scatter(
            where, "the same text as an earlier row that is kept"
        )
        return earlier.then(Decision.of(reasons, details))


def text_hashes(texts: pl.Series) -> pl.DataFrame:
    """128 bits of each text up to white space, in two columns; equal in this process alone."""
    words = texts.str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.DataFrame({"a": words.hash(1), "b": words.hash(2)})


def open_tokenizer(path: Path) -> _core.Tokenizer:
    """The tokenizer of a `tokenizer.json` or of the checkpoint folder that holds one."""
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        return _core.Tokenizer.from_file(file)
    except _core.CoreError as error:
        raise InputError(f"{path}: {error}") from error
