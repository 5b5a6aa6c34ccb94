"""A completion's text split into reasoning and answer, or named as malformed."""

from __future__ import annotations

import polars as pl

from dalign import _core
from dalign.config import Reasoning


def parse(texts: pl.Series, truncated: pl.Series, tags: Reasoning, *, opened: bool) -> pl.DataFrame:
    """Columns status, reasoning, answer of each completion text.

    opened: the chat template has already written the opening tag.
    """
    pair = (tags.open, tags.close) if tags.kind == "tags" else (None, None)
    return pl.DataFrame(_core.parse_completions(texts, pair[0], pair[1], opened, truncated))


def after_reasoning(reply: str) -> str | None:
    """What stands after the last `</think>` of a reply that is to be read; None where the reasoning is not closed."""
    before, closed, after = reply.rpartition("</think>")
    said = after if closed else before or after
    return None if "<think>" in said else said
