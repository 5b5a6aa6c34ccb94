"""What a model reasoned and what it answered. Reasoning that is not closed is never an answer.

Completions that are trained on are held to a strict form: `parse`. Replies that are only read, such
as a judge's, may be loose about it: `after_reasoning`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import polars as pl

from dalign import _core
from dalign.config import Reasoning
from dalign.vocabulary import FORMS

# Nothing is known of the model but what its replies show.
THINK = Reasoning()
# Harmony's answer, and its reasoning where a server leaves the control tokens out.
_FINAL, _BARE = "<|channel|>final<|message|>", ("analysis", "assistantfinal")
_CHANNEL = "<|channel|>"


def tags_of(reasoning: Reasoning) -> tuple[str, str] | tuple[()]:
    """What opens the reasoning and what closes it; nothing for a model without reasoning."""
    return reasoning.tags if reasoning.reasons else ()


def opened_at_server(reasoning: Reasoning) -> bool | None:
    """Whether a server's replies lack the opening tag; None: each may, as what comes apart gets both tags."""
    return False if reasoning.prefilled == "no" else None


def parse(
    texts: pl.Series,
    truncated: pl.Series,
    reasoning: Reasoning,
    *,
    opened: bool | None,
    control: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Columns status, reasoning, answer of each completion text.

    opened: the chat template has already written the opening tag; None: where the text shows it. control: the
    model's control tokens, which no part may hold; None: what has the shape of one. A form that is not known is
    that of each text.
    """
    rows = pl.DataFrame({"text": texts, "cut": truncated}).with_row_index("row")
    read = []
    for tags, numbers in by_form(texts, reasoning):
        part = rows[numbers]
        parts = parts_of(part["text"], part["cut"], tags, opened=opened, control=control)
        read.append(part.select("row").hstack(parts))
    return pl.concat(read).sort("row").drop("row")


def by_form(
    texts: pl.Series, reasoning: Reasoning
) -> list[tuple[tuple[str, str] | None, pl.Series]]:
    """The rows of each form, at least one group, by its tags (None: no reasoning); one form where it is known."""
    rows = pl.int_range(len(texts), eager=True)
    if reasoning.kind != "auto" or not len(texts):
        return [(tags_of(reasoning) or None, rows)]
    told = texts.alias("text").to_frame().select(_form_of(reasoning), row=rows)
    return [
        (FORMS.get(str(form), reasoning.tags), part["row"])
        for (form,), part in told.partition_by("form", as_dict=True).items()
    ]


def parts_of(
    texts: pl.Series,
    truncated: pl.Series,
    tags: tuple[str, str] | None,
    *,
    opened: bool | None,
    control: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The same by the opening and the closing tag; None: the whole text is the answer."""
    start, end = tags or (None, None)
    told = None if control is None else list(control)
    return pl.DataFrame(_core.parse_completions(texts, start, end, opened, truncated, told))


_ANY = Reasoning(kind="auto")
_OPENS = tuple(pair[0] for pair in FORMS.values())
# What tells a reply's own form.
_BEGINS = (*_OPENS, _BARE[0], _CHANNEL)


def after_reasoning(
    reply: str, reasoning: Reasoning = THINK, *, opened: bool | None = False
) -> str | None:
    """What stands after the reasoning of a reply that is to be read; None where that is not closed.

    The last tag decides; a reply without tags is said as a whole, but for one that the template opened, and one that
    goes on in a channel which is not the answer's. Of a model that is said not to reason, a reply that begins with a tag
    of any form is read as that form. opened: see `parse`.
    """
    if not reasoning.reasons:
        opened, reasoning = False, _ANY
        if not _begun(reply):
            return reply
    opens, closes = _tags_in(reply, reasoning)
    _, closed, after = reply.rpartition(closes)
    if (opens, closes) == FORMS["harmony"]:
        # An answer may come without reasoning before it.
        after = after.strip().removeprefix("<|start|>assistant").removeprefix(_FINAL)
        # Another channel is neither closed reasoning nor the answer: commentary, or a message that is cut off.
        opened = opened or _CHANNEL in after
        closed = closed if _CHANNEL not in after else ""
    return None if opens in after or (opened and not closed) else after


class _Read(Protocol):
    """What is read of an engine."""

    @property
    def reasoning(self) -> Reasoning: ...

    @property
    def opens_reasoning(self) -> bool | None: ...


def heard_by(engine: _Read, reasoning: Reasoning) -> Callable[[str], str | None]:
    """`after_reasoning` of an engine whose replies hold their reasoning so; where that is not known, as it does."""
    opened = True if reasoning.prefilled == "yes" else engine.opens_reasoning
    known = engine.reasoning if reasoning.kind == "auto" else reasoning
    # There, a channel may be the answer's, and white space around it is none of it.
    is_harmony, reasons = known.tags == FORMS["harmony"], known.reasons
    opens, closes = known.tags

    def said(reply: str) -> str | None:
        # Most judges' replies begin with no tag: theirs are then those that are known.
        if is_harmony or reply.lstrip().startswith(_BEGINS):
            return after_reasoning(reply, known, opened=opened)
        if not reasons:
            return reply
        _, closed, after = reply.rpartition(closes)
        return None if opens in after or (opened and not closed) else after

    return said


def _tags_in(reply: str, reasoning: Reasoning) -> tuple[str, str]:
    """The tags of a reply: those of its form, or where that is not known, of the form that it begins with."""
    if reasoning.tags == FORMS["harmony"] and "<|" not in reply and reply.startswith(_BARE[0]):
        return _BARE
    if reasoning.kind != "auto":
        return reasoning.tags
    head = reply.lstrip()[:64]
    if head.startswith(_BARE[0]) and _BARE[1] in reply:
        return _BARE
    other = FORMS["harmony"] if head.startswith(_CHANNEL) else reasoning.tags
    return _begun(reply) or other


def _begun(reply: str) -> tuple[str, str] | None:
    """The tags of the form that a reply begins with; None where it begins with none."""
    head = reply.lstrip()[:64]
    if not head.startswith(_OPENS):
        return None
    return next(pair for pair in FORMS.values() if head.startswith(pair[0]))


def _form_of(reasoning: Reasoning) -> pl.Expr:
    """The name of each text's form: of the one that it begins with, or else whose end it holds; null: the config's tags."""
    text = pl.col("text")
    told = [
        pl.when(text.str.strip_chars_start().str.starts_with(o)).then(pl.lit(n))
        for n, (o, _) in FORMS.items()
    ]
    told += [pl.when(text.str.contains(reasoning.tags[1], literal=True)).then(pl.lit("auto"))]
    told += [
        pl.when(text.str.contains(c, literal=True)).then(pl.lit(n)) for n, (_, c) in FORMS.items()
    ]
    return pl.coalesce(*told, pl.lit("auto")).alias("form")
