"""`dalign data filter`: the filter over a file of completions of any size, and the first of equal ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dalign.duplicates import FirstCopies
from dalign.errors import InputError
from dalign.files.batch import Batch, Decision
from dalign.files.jsonl import LineBatch
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, FileJob
from dalign.filter.form import Check, Completions, Filter, Form, token_check
from dalign.filter.quality import Measuring, Quality, chosen_limits
from dalign.filter.recital import RecitalCheck, policy_words
from dalign.models.tokenizer import open_tokenizer


@dataclass(frozen=True)
class Wanted:
    """What rows are held to, as the command's options say it.

    text_field, finish_field, prompt_field: where a row has its completion, how that ended, and the user's words; None:
    rows have none. tags, prefilled, min_chars, max_chars: as in `Form`. tokenizer: a file or folder, needed where tokens
    are limited. limits: as `read_limit` reads them, before the usual ones of `quality`. spec: a policy's folder; at most
    `max_answer_overlap` of an answer's n-grams may stand there. dedup: no text may have stood in a kept row before.
    """

    text_field: str = "completion"
    finish_field: str | None = None
    prompt_field: str | None = None
    tags: tuple[str, str] | None = Form.tags
    prefilled: bool = False
    min_chars: int = 0
    max_chars: int | None = None
    tokenizer: Path | None = None
    min_tokens: int = 0
    max_tokens: int | None = None
    quality: bool = False
    limits: Sequence[str] = ()
    scripts: Sequence[str] = ()
    phrases: Sequence[str] = ()
    ngram: int = Measuring.ngram
    spec: Path | None = None
    max_answer_overlap: float = 0.0
    dedup: bool = True

    def checks(self) -> list[Check]:
        """What is asked for beside the form, in the order in which it is looked at."""
        limits = chosen_limits(self.limits, "--limit", usual=self.quality)
        tokenizer = None if self.tokenizer is None else open_tokenizer(self.tokenizer)
        checks: list[Check] = []
        if self.min_tokens or self.max_tokens is not None:
            if tokenizer is None:
                said = "limits on tokens need a tokenizer to count them: name one (--tokenizer)"
                raise InputError(said, kind="missing_tokenizer")
            checks.append(token_check(tokenizer, self.min_tokens, self.max_tokens))
        if limits:
            measuring = Measuring(tuple(self.scripts), tuple(self.phrases), self.ngram)
            checks.append(Quality(measuring, limits, tokenizer))
        if self.spec is not None:
            checks.append(RecitalCheck(policy_words(self.spec), self.max_answer_overlap))
        return checks


def filter_file(job: FileJob, wanted: Wanted) -> tuple[Counts, dict[str, float] | None]:
    """Keeps the rows that pass every check; with the shares of the policy in their parts, where one is looked for.

    Raises InputError for what cannot be wanted.
    """
    source, checks = job.open(), wanted.checks()
    fields = [wanted.text_field, wanted.finish_field, wanted.prompt_field]
    form = Form(wanted.tags, wanted.prefilled, wanted.min_chars, wanted.max_chars)
    whole = Filter(form, checks)
    copies = FirstCopies(wanted.text_field, job.table_mib) if wanted.dedup else None
    # Where the form is all that is looked at, lines are judged as they stand, without a column of texts.
    is_plain = not checks and wanted.finish_field is None and source.is_one_file
    of_lines = form.row_filter(dedup=wanted.dedup, memory_mib=job.table_mib)

    def decide(batch: Batch) -> Decision:
        if is_plain and isinstance(batch, LineBatch) and batch.has_read(wanted.text_field):
            with refusals():
                return Decision.told(of_lines.check_batch(batch.batch, wanted.text_field))
        texts, finish, asked = (None if name is None else batch.texts(name) for name in fields)
        assert texts is not None
        decision = whole(Completions(form, texts, finish, asked))
        return decision if copies is None else copies(batch, decision)

    counts = job.sift(source, [name for name in fields if name is not None], decide)
    recital = next((check for check in checks if isinstance(check, RecitalCheck)), None)
    return counts, None if recital is None else recital.shares()
