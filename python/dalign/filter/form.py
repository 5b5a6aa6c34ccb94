"""The form of completions: a reply that came, its reasoning between the tags, an answer, its length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from dalign import _core
from dalign.config import Reasoning
from dalign.files.batch import Decision
from dalign.files.refusals import refusals
from dalign.models.tokenizer import Tokenizer

# How a reply that never came has ended.
NO_REPLY = ("error", "timeout")


@dataclass(frozen=True)
class Form:
    """What a completion must look like. Tags None: the whole text is the answer. Lengths in characters."""

    tags: tuple[str, str] | None = ("<think>", "</think>")
    prefilled: bool = False
    min_chars: int = 0
    max_chars: int | None = None

    @classmethod
    def of(cls, reasoning: Reasoning, *, opened: bool) -> Form:
        """The form that a model's completions have. opened: the chat template has already written the opening tag."""
        tags = (reasoning.open, reasoning.close) if reasoning.kind == "tags" else None
        return cls(tags, opened)

    def row_filter(self, *, dedup: bool, memory_mib: int) -> _core.RowFilter:
        """The core's filter of this form. Raises InputError for tags or lengths that nothing can have."""
        opened, closed = self.tags or (None, None)
        with refusals():
            return _core.RowFilter(
                opened, closed, self.prefilled, self.min_chars, self.max_chars, dedup, memory_mib
            )


@dataclass(frozen=True)
class Completions:
    """Some completions in columns. finish: how each ended, `asked`: the user's words; None or null where nobody knows."""

    form: Form
    texts: pl.Series
    finish: pl.Series | None = None
    asked: pl.Series | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.texts)

    @cached_property
    def truncated(self) -> pl.Series:
        """Of each whether it stopped at the token limit."""
        if self.finish is None:
            return pl.repeat(False, self.rows, dtype=pl.Boolean, eager=True)
        return (self.finish == "length").fill_null(False)

    @cached_property
    def parts(self) -> pl.DataFrame:
        """Columns status, reasoning and answer."""
        opened, closed = self.form.tags or (None, None)
        return pl.DataFrame(
            _core.parse_completions(self.texts, opened, closed, self.form.prefilled, self.truncated)
        )


Check = Callable[[Completions], Decision]


class Filter:
    """Says of completions why they are dropped: the first reason of the form, then of each check in turn."""

    def __init__(self, form: Form, checks: Sequence[Check]) -> None:
        self._form = form.row_filter(dedup=False, memory_mib=1)
        self._checks = checks

    def __call__(self, completions: Completions) -> Decision:
        """The decision: `error` or `timeout`; a status other than `ok`; `too_short`, `too_long`; what a check says."""
        decision = _unanswered(completions)
        with refusals():
            told = self._form.check(completions.texts, completions.truncated, None)
        decision = decision.then(Decision.told(*told))
        for check in self._checks:
            decision = decision.then(check(completions))
        return decision


def _unanswered(completions: Completions) -> Decision:
    """The decision on replies that never came."""
    if completions.finish is None:
        return Decision.keep_all(completions.rows)
    failed = pl.when(completions.finish.is_in(NO_REPLY))
    told = pl.select(reason=failed.then(completions.finish), detail=pl.lit("no reply came"))
    return Decision.of(told["reason"], told["detail"])


class TokenCheck:
    """Drops texts of too few or too many tokens."""

    def __init__(self, tokenizer: Tokenizer, least: int, most: int | None) -> None:
        self._tokenizer = tokenizer
        self._least, self._most = least, most

    def __call__(self, completions: Completions) -> Decision:
        """The decision: `too_few_tokens` or `too_many_tokens`."""
        _, offsets = self._tokenizer.encode(completions.texts)
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
