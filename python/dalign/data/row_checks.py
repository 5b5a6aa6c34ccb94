"""What may drop a row: its form, its length, and that it was there before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.files.batch import Batch, Decision
from dalign.files.jsonl import LineBatch


@dataclass(frozen=True)
class Form:
    """What a completion must look like. Tags None: the whole text is the answer. Lengths in characters.

    finish_field: the field that says how generation ended; `length` is the token limit. None: nobody knows.
    """

    text_field: str
    tags: tuple[str, str] | None = ("<think>", "</think>")
    prefilled: bool = False
    min_chars: int = 0
    max_chars: int | None = None
    finish_field: str | None = None

    @property
    def fields(self) -> list[str]:
        """The fields of texts that are looked at."""
        return [name for name in (self.text_field, self.finish_field) if name is not None]


class FormCheck:
    """Drops malformed completions, too short ones, too long ones and, if asked to, those kept before."""

    def __init__(self, form: Form, memory_mib: int, *, dedup: bool) -> None:
        opened, closed = form.tags or (None, None)
        self._form = form
        try:
            self._filter = _core.RowFilter(
                opened, closed, form.prefilled, form.min_chars, form.max_chars, dedup, memory_mib
            )
        except _core.CoreError as error:
            raise InputError(str(error)) from error

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: the status of the form, `too_short`, `too_long` or `duplicate`."""
        form = self._form
        if isinstance(batch, LineBatch) and form.finish_field is None:
            return Decision.told(*self._filter.check_batch(batch.batch, form.text_field))
        texts, lines = batch.texts(form.text_field), batch.line_numbers()
        found = Decision.told(*self._filter.check(texts, truncated(batch, form), lines))
        return _by_place(batch, found)


def truncated(batch: Batch, form: Form) -> pl.Series:
    """Of each row whether generation stopped at the token limit."""
    if form.finish_field is None:
        return _untruncated(batch.rows)
    return batch.texts(form.finish_field) == "length"


def _untruncated(rows: int) -> pl.Series:
    return pl.Series([False], dtype=pl.Boolean).new_from_index(0, rows)


def parsed_parts(batch: Batch, form: Form) -> pl.DataFrame:
    """Columns status, reasoning and answer of a batch's completions."""
    opened, closed = form.tags or (None, None)
    texts = batch.texts(form.text_field)
    return pl.DataFrame(
        _core.parse_completions(texts, opened, closed, form.prefilled, truncated(batch, form))
    )


def _by_place(batch: Batch, decision: Decision) -> Decision:
    """The decision with rows, counted from 0, where the rows of a table have no lines, counted from 1."""
    if isinstance(batch, LineBatch):
        return decision
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
        self,
        text_field: str,
        tokenizer: _core.Tokenizer,
        min_tokens: int,
        max_tokens: int | None,
    ) -> None:
        self._text_field = text_field
        self._tokenizer = tokenizer
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
        self._filter = _core.RowFilter(None, None, False, 0, None, True, memory_mib)

    def __call__(self, batch: Batch, earlier: Decision) -> Decision:
        """The decision on those rows of a batch that `earlier` keeps: `duplicate`."""
        passed = earlier.keep.arg_true()
        texts = batch.texts(self._text_field).gather(passed)
        lines = pl.Series(batch.line_numbers()).gather(passed)
        told = self._filter.check(texts, _untruncated(len(texts)), lines)
        found = _by_place(batch, Decision.told(*told))
        # `scatter` writes in place: the earlier decision's columns stay as they are.
        reasons = earlier.reasons.clear(batch.rows).scatter(passed, found.reasons)
        details = earlier.reasons.clear(batch.rows).scatter(passed, found.details)
        return earlier.then(Decision.of(reasons, details))


def text_hashes(texts: pl.Series) -> pl.DataFrame:
    """128 bits of each text up to white space, in two columns; equal in this process alone."""
    words = texts.str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.DataFrame({"a": words.hash(1), "b": words.hash(2)})


def open_tokenizer(path: Path) -> _core.Tokenizer:
    """The tokenizer of a `tokenizer.json` or of the checkpoint folder that holds one."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file}: no such file; name a tokenizer.json or a folder that has one")
    try:
        return _core.Tokenizer.from_file(file)
    except _core.CoreError as error:
        raise InputError(f"{error}; name a Hugging Face tokenizer.json") from error
