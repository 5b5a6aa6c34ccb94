"""`dalign data filter`: the checks that were asked for, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.cli.data_work import Job, tell
from dalign.data.quality import Measuring, Quality, chosen_limits
from dalign.data.row_checks import Form, FormCheck, SurvivorCheck, TokenCheck, open_tokenizer
from dalign.data.row_overlap import RecitalCheck
from dalign.data.row_quality import QualityCheck
from dalign.errors import InputError
from dalign.files.batch import Batch, Decision
from dalign.files.sift import Decide, sift
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.spec.types import GENERAL

# As many words of the policy in a row, in an answer, count as recited.
RECITED_WORDS = 8


@dataclass(frozen=True)
class Tokens:
    """How many tokens of which tokenizer a text may have."""

    path: Path | None
    least: int
    most: int | None

    def open(self) -> _core.Tokenizer | None:
        """The tokenizer, if one is named."""
        return None if self.path is None else open_tokenizer(self.path)

    def check(self, text_field: str, tokenizer: _core.Tokenizer | None) -> TokenCheck | None:
        """The check, or None where nothing is asked for."""
        if not self.least and self.most is None:
            return None
        if tokenizer is None:
            raise InputError("--min-tokens and --max-tokens need --tokenizer: name one")
        return TokenCheck(text_field, tokenizer, self.least, self.most)


@dataclass(frozen=True)
class Policy:
    """How much of the policy in a folder an answer may recite. own_field: the user's words, which may be repeated."""

    folder: Path | None
    most: float
    own_field: str | None

    def check(self, form: Form) -> RecitalCheck | None:
        """The check, or None where nothing is asked for."""
        if self.folder is None:
            return None
        spec, templates = load_spec(self.folder), load_templates(self.folder)
        texts = [templates.spec(spec, name) for name in (*spec.names, GENERAL)]
        index = _core.NgramIndex(pl.Series(texts, dtype=pl.String), RECITED_WORDS)
        return RecitalCheck(index, form, self.most, self.own_field)


@dataclass(frozen=True)
class Limits:
    """What completions may be like: the usual limits, if asked for, and those named."""

    usual: bool
    named: Sequence[str]
    measuring: Measuring
    prompt_field: str | None

    def check(self, form: Form, tokenizer: _core.Tokenizer | None) -> QualityCheck | None:
        """The check, or None where nothing is asked for."""
        found = chosen_limits(self.named, "--limit", usual=self.usual)
        if not found:
            return None
        return QualityCheck(form, Quality(self.measuring, found, tokenizer), self.prompt_field)


def filter_rows(
    job: Job, form: Form, tokens: Tokens, policy: Policy, limits: Limits, *, no_dedup: bool
) -> None:
    """Keeps the rows that pass every check."""
    source, tokenizer = job.open(), tokens.open()
    recital, quality = policy.check(form), limits.check(form, tokenizer)
    found = (tokens.check(form.text_field, tokenizer), quality, recital)
    checks: list[Decide] = [check for check in found if check is not None]
    # A copy counts as one only of a row that passes every other check.
    form_check = FormCheck(form, job.table_mib, dedup=not no_dedup and not checks)
    survivors = SurvivorCheck(form.text_field, job.table_mib) if checks and not no_dedup else None

    def decide(batch: Batch) -> Decision:
        decision = form_check(batch)
        for check in checks:
            decision = decision.then(check(batch))
        return decision if survivors is None else survivors(batch, decision)

    prompts = policy.own_field if recital or quality else None
    fields = [*form.fields, *([prompts] if prompts else [])]
    counts = sift(source, job.out, fields, decide, job.progress(), job.name)
    more = {} if recital is None else {"policy_share": recital.recited.as_json()}
    tell(job, counts, **more)
    if more and not job.as_json:
        _tell_shares(more["policy_share"])


def _tell_shares(shares: Mapping[str, float]) -> None:
    told = ", ".join(f"{100 * share:.2f} % of {part}" for part, share in shares.items())
    print(f"stands in the policy: {told}", file=sys.stderr)
