"""What a model reasoned and what it answered. Reasoning that is not closed is never an answer.

Completions that are trained on are held to a strict form: `parse`. Replies that are only read, such
as a judge's, may be loose about it: `after_reasoning`.
"""

from __future__ import annotations

import polars as pl

from dalign import _core
from dalign.config import Reasoning

THINK = Reasoning()


def tags_of(reasoning: Reasoning) -> tuple[str, str] | tuple[()]:
    """The opening and the closing tag; nothing for a model without reasoning."""
    return (reasoning.open, reasoning.close) if reasoning.kind == "tags" else ()


def parse(texts: pl.Series, truncated: pl.Series, tags: Reasoning, *, opened: bool) -> pl.DataFrame:
    """Columns status, reasoning, answer of each completion text.

    opened: the chat template has already written the opening tag.
    """
    return parts_of(texts, truncated, tags_of(tags) or None, opened=opened)


def parts_of(
    texts: pl.Series, truncated: pl.Series, tags: tuple[str, str] | None, *, opened: bool
) -> pl.DataFrame:
    """The same by the opening and the closing tag; None: the whole text is the answer."""
    start, end = tags or (None, None)
    return pl.DataFrame(_core.parse_completions(texts, start, end, opened, truncated))


def after_reasoning(reply: str, tags: Reasoning = THINK, *, opened: bool = False) -> str | None:
    """What stands after the reasoning of a reply that is to be read; None where that is not closed.

    The last tag decides; a reply without tags is said as a whole. opened: see `parse`.
    """
    if tags.kind == "none":
        return reply
    _, closed, after = reply.rpartition(tags.close)
    return None if tags.open in after or (opened and not closed) else after
