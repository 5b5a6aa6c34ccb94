"""The form of completions: a reply that came, its reasoning between the tags, an answer, its length; then what checks say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from dalign import _core
from dalign.config import Reasoning
from dalign.files.batch import Decision
from dalign.files.refusals import refusals
from dalign.models.reasoning import by_form, parts_of
from dalign.models.tokenizer import Tokenizer
from dalign.rows import NEVER_CAME, Parsed
from dalign.vocabulary import THINK_TAGS


@dataclass(frozen=True)
class Form:
    """What a completion must look like. Tags None: the whole text is the answer. Lengths in characters.

    prefilled: the chat template has already written the opening tag; None: where the text shows it. control: tokens
    that no part may hold; None: all that have the shape of one that ends a turn.
    """

    tags: tuple[str, str] | None = THINK_TAGS
    prefilled: bool | None = False
    min_chars: int = 0
    max_chars: int | None = None
    control: tuple[str, ...] | None = None

    def row_filter(self, *, dedup: bool, memory_mib: int) -> _core.RowFilter:
        """The core's filter of this form. Raises InputError for tags or lengths that nothing can have."""
        opened, closed = self.tags or (None, None)
        with refusals():
            return _core.RowFilter(
                opened, closed, self.prefilled, self.min_chars, self.max_chars, dedup, memory_mib,
                None if self.control is None else list(self.control),
            )  # fmt: skip


@dataclass(frozen=True)
class Completions:
    """Some completions in columns. finish: how each ended, `asked`: the user's words; None or null where nobody knows."""

    form: Form
    texts: pl.Series
    finish: pl.Series | None = None
    asked: pl.Series | None = None

    @cached_property
    def truncated(self) -> pl.Series:
        """Of each whether it stopped at the token limit."""
        if self.finish is None:
            return pl.repeat(False, len(self.texts), dtype=pl.Boolean, eager=True)
        return (self.finish == "length").fill_null(False)

    @cached_property
    def parts(self) -> pl.DataFrame:
        """Columns status, reasoning and answer."""
        form = self.form
        return parts_of(
            self.texts, self.truncated, form.tags, opened=form.prefilled, control=form.control
        )


Check = Callable[[Completions], Decision]


class Filter:
    """Says of completions why they are dropped: the first reason of the form, then of each check in turn."""

    def __init__(self, form: Form, checks: Sequence[Check]) -> None:
        self._form = form.row_filter(dedup=False, memory_mib=1)
        self._checks = checks

    def __call__(self, completions: Completions) -> Decision:
        """The decision: `error` or `timeout`; a status other than `ok`; `too_short`, `too_long`; what a check says."""
        with refusals():
            told = self._form.check(completions.texts, completions.truncated, None)
        decision = Decision.told(told)
        if completions.finish is not None:
            failed = pl.when(pl.col("finish").is_in(NEVER_CAME)).then("finish")
            ended = completions.finish.alias("finish").to_frame()
            decision = Decision.of(ended, failed, pl.lit("no reply came")).then(decision)
        for check in self._checks:
            decision = decision.then(check(completions))
        return decision


def filter_completions(
    completions: pl.DataFrame,
    asked: pl.Series,
    reasoning: Reasoning,
    check: Check,
    *,
    opened: bool | None,
    control: tuple[str, ...] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(kept rows, dropped rows with reason) of any of the generate stage's rows, both in their order.

    asked: the words of each completion's prompt, null where they are not known; the scripts that they use are
    expected in the completion. opened, control: see `dalign.models.reasoning.parse`.
    """
    numbered = completions.with_columns(asked=asked).with_row_index("row")
    told = []
    for tags, rows in by_form(completions["text"], reasoning):
        part = numbered[rows]
        form = Form(tags, opened, control=control)
        found = Completions(form, part["text"], part["finish"], part["asked"])
        read = part.select("row").hstack(found.parts)
        decision = Filter(form, [check])(found)
        told.append(read.with_columns(why=decision.reasons, how=decision.details))
    whole = pl.concat(told).sort("row")
    decision = Decision(whole["why"], whole["how"])
    kept = pl.concat([completions, whole], how="horizontal").filter(decision.keep)
    return kept.select(list(Parsed.COLUMNS)), decision.dropped(completions)


def token_check(tokenizer: Tokenizer, least: int, most: int | None) -> Check:
    """Drops texts of too few or too many tokens: `too_few_tokens`, `too_many_tokens`."""
    tokens = pl.col("tokens")
    few = pl.when(tokens < least).then(pl.lit("too_few_tokens"))
    reason = few.when(tokens > pl.lit(most, pl.UInt64)).then(pl.lit("too_many_tokens"))

    def check(completions: Completions) -> Decision:
        counts = tokenizer.count(completions.texts).alias("tokens").to_frame()
        return Decision.of(counts, reason, pl.format("{} tokens", tokens))

    return check
