"""`dalign data filter`: what a run's completions are held to, over a file of completions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dalign.files.sift import Counts, FileJob
from dalign.filter.file import Fields, Wanted, filter_file
from dalign.filter.form import Form
from dalign.filter.quality import Measuring, chosen_limits


@dataclass(frozen=True)
class FilterOptions:
    """What a completion is held to, and where in a row it stands.

    tags: of the reasoning; None: the whole text is the answer. prefilled: the opening one stands in the prompt.
    usual: the usual limits on quality; limits: others, such as `answer_words=20:800`, in their place.
    policy: a folder; at most this share of an answer may stand there. dedup: of equal texts the first is kept.
    """

    text_field: str = "completion"
    finish_field: str | None = None
    prompt_field: str | None = None
    tags: tuple[str, str] | None = ("<think>", "</think>")
    prefilled: bool = False
    min_chars: int = 0
    max_chars: int | None = None
    tokenizer: Path | None = None
    min_tokens: int = 0
    max_tokens: int | None = None
    usual: bool = False
    limits: tuple[str, ...] = ()
    ngram: int = Measuring.ngram
    scripts: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    policy: Path | None = None
    max_answer_overlap: float = 0.0
    dedup: bool = True


def filter_rows(job: FileJob, asked: FilterOptions) -> tuple[Counts, dict[str, float] | None]:
    """Keeps the rows that pass. Also the shares of reasoning and answers that stand in the policy, where one is named."""
    fields = Fields(asked.text_field, asked.finish_field, asked.prompt_field)
    form = Form(asked.tags, asked.prefilled, asked.min_chars, asked.max_chars)
    wanted = Wanted(
        asked.tokenizer,
        asked.min_tokens,
        asked.max_tokens,
        chosen_limits(asked.limits, "--limit", usual=asked.usual),
        Measuring(asked.scripts, asked.phrases, asked.ngram),
        asked.policy,
        asked.max_answer_overlap,
    )
    counts, recited = filter_file(job, fields, form, wanted, dedup=asked.dedup)
    return counts, None if recited is None else recited.as_json()
