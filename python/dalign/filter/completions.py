"""A run's completions: those that are dropped, each with its reason; the rest split into reasoning and answer."""

from __future__ import annotations

import polars as pl

from dalign.config import Reasoning
from dalign.filter.form import Completions, Filter, Form
from dalign.filter.quality import Quality
from dalign.rows import Parsed


def filter_completions(
    completions: pl.DataFrame, asked: pl.Series, tags: Reasoning, quality: Quality, *, opened: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(kept rows, dropped rows with reason) of any of the generate stage's rows, both in their order.

    asked: the words of each completion's prompt, null where they are not known; the scripts that they use are
    expected in the completion. opened: the chat template has already written the opening tag.
    """
    form = Form.of(tags, opened=opened)
    found = Completions(form, completions["text"], completions["finish"], asked)
    decision = Filter(form, [quality])(found)
    rows = pl.concat([completions, found.parts], how="horizontal")
    dropped = completions.select(
        "id", "category", reason=decision.reasons, detail=decision.details
    ).filter(~decision.keep)
    return rows.filter(decision.keep).select(list(Parsed.COLUMNS)), dropped
