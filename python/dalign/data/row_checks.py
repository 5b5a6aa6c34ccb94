"""What may drop a row: its form, its length, and that it was there before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.data.row_batch import Batch, Decision
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
    """Drops malformed completions, too short ones and too long ones."""

    def __init__(self, form: Form) -> None:
        if form.max_chars is not None and form.max_chars < form.min_chars:
            raise InputError(
                f"--max-chars {form.max_chars} is below --min-chars {form.min_chars}; raise it"
            )
        self._form = form

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: the status of the form, `too_short` or `too_long`."""
        form = self._form
        texts = batch.texts(form.text_field)
        truncated = pl.Series([False], dtype=pl.Boolean).new_from_index(0, batch.rows)
        opened, closed = form.tags or (None, None)
        parsed = pl.DataFrame(
            _core.parse_completions(texts, opened, closed, form.prefilled, truncated)
        )
        rows = pl.DataFrame({"text": texts, "status": parsed["status"]}).select(
            "text", "status", chars=pl.col("text").str.len_chars()
        )
        most = 2**32 - 1 if form.max_chars is None else form.max_chars
        told = rows.select(
            reason=pl.when(pl.col("status") != "ok")
            .then("status")
            .when(pl.col("chars") < form.min_chars)
            .then(pl.lit("too_short"))
            .when(pl.col("chars") > most)
            .then(pl.lit("too_long")),
            detail=pl.format("{} characters", "chars"),
        )
        return Decision.of(told["reason"], told["detail"])


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

    def __init__(self, text_field: str) -> None:
        self._text_field = text_field
        self._first: dict[tuple[int, int], str] = {}

    def __call__(self, batch: Batch, earlier: Decision) -> Decision:
        """The decision on those rows of a batch that `earlier` keeps: `duplicate`."""
        hashes = text_hashes(batch.texts(self._text_field)).rows()
        reasons: list[str | None] = [None] * batch.rows
        details: list[str | None] = [None] * batch.rows
        for row in earlier.keep.arg_true().to_list():
            place = batch.place(row)
            first = self._first.setdefault(hashes[row], place)
            if first != place:
                reasons[row], details[row] = "duplicate", f"of {first}"
        return earlier.then(
            Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))
        )


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
