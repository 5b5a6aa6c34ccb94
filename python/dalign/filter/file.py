"""`dalign data filter`: the filter over a file of completions of any size, and the first of equal ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dalign import _core
from dalign.duplicates import FirstCopies
from dalign.errors import InputError
from dalign.files.batch import Batch, Decision
from dalign.files.jsonl import LineBatch
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, FileJob
from dalign.filter.form import Check, Completions, Filter, Form, TokenCheck
from dalign.filter.quality import Bounds, Measuring, Quality, chosen_limits
from dalign.filter.recital import RecitalCheck, Recited, policy_words
from dalign.models.tokenizer import open_tokenizer

# What a command is given, and hands on.
__all__ = ["Fields", "Form", "Measuring", "Wanted", "chosen_limits", "filter_file"]


@dataclass(frozen=True)
class Fields:
    """The fields of a row: its completion, how that ended, and the user's words; None: rows have none."""

    text: str = "completion"
    finish: str | None = None
    asked: str | None = None

    @property
    def names(self) -> list[str]:
        """Those that rows have."""
        return [name for name in (self.text, self.finish, self.asked) if name is not None]

    def of(self, batch: Batch, form: Form) -> Completions:
        """A batch's completions."""
        finish, asked = (
            None if name is None else batch.texts(name) for name in (self.finish, self.asked)
        )
        return Completions(form, batch.texts(self.text), finish, asked)


@dataclass(frozen=True)
class Wanted:
    """What completions are held to beside their form.

    tokenizer: a file or folder, needed where tokens are limited. policy: a folder; at most this share of an answer's
    n-grams may stand there.
    """

    tokenizer: Path | None = None
    min_tokens: int = 0
    max_tokens: int | None = None
    limits: Mapping[str, Bounds] = field(default_factory=dict)
    measuring: Measuring = field(default_factory=Measuring)
    policy: Path | None = None
    max_answer_overlap: float = 0.0

    def checks(self) -> list[Check]:
        """What is asked for, in the order in which it is looked at. Raises InputError for what cannot be."""
        tokenizer = None if self.tokenizer is None else open_tokenizer(self.tokenizer)
        checks: list[Check] = []
        if self.min_tokens or self.max_tokens is not None:
            if tokenizer is None:
                raise InputError(
                    "limits on tokens need a tokenizer to count them: name one (--tokenizer)",
                    kind="missing_tokenizer",
                )
            checks.append(TokenCheck(tokenizer, self.min_tokens, self.max_tokens))
        if self.limits:
            checks.append(Quality(self.measuring, self.limits, tokenizer))
        if self.policy is not None:
            checks.append(RecitalCheck(policy_words(self.policy), self.max_answer_overlap))
        return checks


def filter_file(
    job: FileJob, fields: Fields, form: Form, wanted: Wanted, *, dedup: bool
) -> tuple[Counts, Recited | None]:
    """Keeps the rows that pass every check; with the shares of the policy, where one is looked for."""
    source, checks = job.open(), wanted.checks()
    decide = _RowCheck(fields, form, checks, job.table_mib, dedup=dedup)
    counts = job.sift(source, fields.names, decide)
    recital = next((check for check in checks if isinstance(check, RecitalCheck)), None)
    return counts, None if recital is None else recital.recited


class _RowCheck:
    """The filter on a batch, and, if asked for, that no row before had the same text and was kept."""

    def __init__(
        self, fields: Fields, form: Form, checks: Sequence[Check], memory_mib: int, *, dedup: bool
    ) -> None:
        self._fields, self._form = fields, form
        self._filter = Filter(form, checks)
        self._copies = FirstCopies(fields.text, memory_mib) if dedup else None
        # Where the form is all that is looked at, lines are judged as they stand, without a column of texts.
        self._of_lines: _core.RowFilter | None = None
        if not checks and fields.finish is None:
            self._of_lines = form.row_filter(dedup=dedup, memory_mib=memory_mib)

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: the filter's, then `duplicate`."""
        if self._of_lines is not None and isinstance(batch, LineBatch):
            with refusals():
                return Decision.told(*self._of_lines.check_batch(batch.batch, self._fields.text))
        decision = self._filter(self._fields.of(batch, self._form))
        return decision if self._copies is None else self._copies.after(batch, decision)
