"""`dalign data filter`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from dalign.cli.data.options import (
    MOST,
    MOST_WORDS,
    AsJson,
    Force,
    In,
    Limit,
    Many,
    Memory,
    Out,
    TextField,
    given,
    job,
    tell,
)
from dalign.vocabulary import MEMORY_MIB, THINK_TAGS

OpenTag = Annotated[str, Option("--open-tag", help="Opens the reasoning.")]
CloseTag = Annotated[str, Option("--close-tag", help="Closes it.")]
NoTags = Annotated[bool, Option("--no-tags", help="The whole text is the answer.")]
Prefilled = Annotated[
    bool, Option("--prefilled", help="The opening tag stands in the prompt already.")
]
TokenizerPath = Annotated[
    Path | None,
    Option(
        "--tokenizer",
        readable=False,
        help="A tokenizer.json, or the checkpoint folder that has one.",
    ),
]
PolicyFolder = Annotated[
    Path | None,
    Option(
        "--spec",
        readable=False,
        help="A policy folder: drop answers that recite it, eight words in a row.",
    ),
]
Overlap = Annotated[
    float,
    Option("--max-answer-overlap", min=0, max=1, help="With --spec: that share of an answer."),
]
Usual = Annotated[
    bool, Option("--quality", help="Drop loops, broken ends, stray scripts, dangling references.")
]
Limits = Annotated[
    Many,
    Option(
        "--limit",
        metavar="MEASURE=LEAST:MOST",
        help="Such as answer_words=20:800 or answer_echo=:0.5; may be given again, and goes before --quality's.",
    ),
]
Ngram = Annotated[
    Limit,
    Option(
        "--ngram",
        min=1,
        max=MOST_WORDS,
        help="Words of a run that counts as repeated, 5 unless given.",
    ),
]
Scripts = Annotated[
    Many, Option("--script", help="A script that is expected beside the prompt's, such as Latin.")
]
Phrases = Annotated[
    Many, Option("--phrase", help="A further reference to what the reader cannot see.")
]
PromptField = Annotated[
    str | None, Option("--prompt-field", help="The user's words, which limits take into account.")
]
FinishField = Annotated[
    str | None, Option("--finish-field", help="How it ended: length is truncated, error no reply.")
]
NoDedup = Annotated[
    bool, Option("--no-dedup", help="Keep rows whose text stood in a kept row before.")
]


def filter_(
    source: In,
    out: Out,
    text_field: TextField = "completion",
    open_tag: OpenTag = THINK_TAGS[0],
    close_tag: CloseTag = THINK_TAGS[1],
    no_tags: NoTags = False,
    prefilled: Prefilled = False,
    min_chars: Annotated[int, Option("--min-chars", min=0, max=MOST)] = 0,
    max_chars: Annotated[Limit, Option("--max-chars", min=0, max=MOST)] = None,
    tokenizer: TokenizerPath = None,
    min_tokens: Annotated[int, Option("--min-tokens", min=0, max=MOST)] = 0,
    max_tokens: Annotated[Limit, Option("--max-tokens", min=0, max=MOST)] = None,
    spec: PolicyFolder = None,
    max_answer_overlap: Overlap = 0.0,
    quality: Usual = False,
    limit: Limits = None,
    ngram: Ngram = None,
    script: Scripts = None,
    phrase: Phrases = None,
    prompt_field: PromptField = None,
    finish_field: FinishField = None,
    no_dedup: NoDedup = False,
    memory_mib: Memory = MEMORY_MIB,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Keep well-formed completions of the right length and quality, the first of equal ones."""
    from dalign.cli.terminal import warn
    from dalign.pipeline.filter_file import Wanted, filter_file

    tags = None if no_tags else (open_tag, close_tag)
    wanted = Wanted(
        text_field, finish_field, prompt_field, tags, prefilled, min_chars, max_chars,
        tokenizer, min_tokens, max_tokens, quality, limit or (), script or (), phrase or (),
        spec=spec, max_answer_overlap=max_answer_overlap, dedup=not no_dedup, **given(ngram=ngram),
    )  # fmt: skip
    work = job("filter", source, out, memory_mib, force=force, as_json=json)
    counts, shares = filter_file(work, wanted)
    tell(work, counts, as_json=json, **given(policy_share=shares))
    if shares and not json:
        told = ", ".join(f"{100 * share:.2f} % of {part}" for part, share in shares.items())
        warn(f"stands in the policy: {told}")
