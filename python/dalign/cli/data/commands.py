"""`dalign data dedup`, `decontaminate`, `balance` and `pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dalign.cli.data.options import (
    MOST,
    MOST_TOKENS,
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
from dalign.vocabulary import CONTAMINATION_WORDS, MEMORY_MIB

Bins = Annotated[
    Path,
    Argument(metavar="OUT", readable=False, help="A .parquet file: one row a bin of tokens."),
]


def dedup(
    source: In,
    out: Out,
    text_field: TextField = "completion",
    near: Annotated[
        bool, Option("--near", help="Nearly the same too, by sets of words; 212 bytes a row.")
    ] = False,
    threshold: Annotated[
        float | None,
        Option("--threshold", help="With --near: Jaccard similarity; 0.7 unless given."),
    ] = None,
    ngram: Annotated[
        Limit,
        Option(
            "--ngram", min=1, max=MOST_WORDS, help="With --near: words in a row; 5 unless given."
        ),
    ] = None,
    score_field: Annotated[
        str | None,
        Option("--score-field", help="Keep the copy with the highest number here, not the first."),
    ] = None,
    memory_mib: Memory = MEMORY_MIB,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Keep one of the rows whose texts are the same up to white space, or with --near nearly the same."""
    from dalign.duplicates import Near, dedup_file

    work = job("dedup", source, out, memory_mib, force=force, as_json=json)
    nearness = Near(**given(threshold=threshold, ngram=ngram)) if near else None
    tell(work, dedup_file(work, text_field, score_field, nearness), as_json=json)


def decontaminate(
    source: In,
    out: Out,
    against: Annotated[
        list[Path],
        Option(
            "--against",
            readable=False,
            help="An evaluation file, folder or pattern; may be given again.",
        ),
    ],
    text_field: Annotated[
        Many,
        Option("--text-field", help="A field to look at, prompt unless given; may be given again."),
    ] = None,
    eval_field: Annotated[
        str, Option("--eval-field", help="The field with the evaluation text.")
    ] = "prompt",
    ngram: Annotated[
        int,
        Option(
            "--ngram", min=1, max=MOST_WORDS, help="Words in a row that count as contamination."
        ),
    ] = CONTAMINATION_WORDS,
    ignore: Annotated[
        Path | None,
        Option(
            "--ignore",
            metavar="PHRASES",
            readable=False,
            help="A text file of phrases that do not count, one a line.",
        ),
    ] = None,
    memory_mib: Memory = MEMORY_MIB,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Drop rows that share words in a row with an evaluation set, each with the words and the evaluation row.

    Fields hold texts or lists of turns; a row with messages or conversations has prompt and completion by them.
    """
    from dalign.overlap import Phrases, decontaminate_file

    ignored = None if ignore is None else Phrases.read(ignore)
    work = job("decontaminate", source, out, memory_mib, force=force, as_json=json)
    counts, rows = decontaminate_file(
        work, against, text_field or ["prompt"], eval_field, ngram, ignored
    )
    tell(work, counts, as_json=json, against=rows)


def balance(
    source: In,
    out: Out,
    by: Annotated[
        Many,
        Option("--by", help="category, clause, or, unless given, both: clauses within categories."),
    ] = None,
    category_field: Annotated[str, Option("--category-field")] = "category",
    clause_field: Annotated[
        str, Option("--clause-field", help="A text, a list of texts, or nothing.")
    ] = "clause",
    max_: Annotated[
        Limit, Option("--max", min=0, max=MOST, help="Of each category; by clause: of each clause.")
    ] = None,
    min_: Annotated[
        int, Option("--min", min=0, max=MOST, help="As --max; what has fewer is reported as short.")
    ] = 0,
    total: Annotated[
        Limit,
        Option(
            "--total",
            min=0,
            max=MOST,
            help="In all, spread evenly; what is scarce gives all it has.",
        ),
    ] = None,
    quota: Annotated[
        Path | None,
        Option(
            "--quota",
            readable=False,
            help="A JSON file with total, and min, max and weight by name.",
        ),
    ] = None,
    rarest: Annotated[
        bool, Option("--rarest", help="Count a row under its rarest clause so far, not its first.")
    ] = False,
    seed: Annotated[int, Option("--seed", min=0, max=MOST)] = 0,
    memory_mib: Memory = MEMORY_MIB,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Draw rows so that every category and clause has its share."""
    from dalign.balance import Quota, balance_file, wanted_draw

    work = job("balance", source, out, memory_mib, force=force, as_json=json)
    fields = {"category": category_field, "clause": clause_field}
    draw = wanted_draw(by, fields, Quota(min_, max_), total, quota, rarest=rarest, seed=seed)
    counts, strata = balance_file(work, draw)
    tell(work, counts, as_json=json, strata=strata)


def pack(
    source: In,
    out: Bins,
    tokenizer: Annotated[
        Path,
        Option(
            "--tokenizer",
            readable=False,
            help="A tokenizer.json; for messages, a checkpoint folder.",
        ),
    ],
    capacity: Annotated[
        int, Option("--capacity", min=1, max=MOST_TOKENS, help="Tokens that a bin holds.")
    ],
    over_long: Annotated[
        str,
        Option("--over-long", help="Rows above the capacity: error, drop, or mask (cut, no loss)."),
    ] = "error",
    end: Annotated[
        str, Option("--end", help="Text after each completion, such as the end of turn.")
    ] = "",
    buffer_tokens: Annotated[
        Limit,
        Option(
            "--buffer-tokens", min=1, max=MOST, help="Tokens at once; from --memory-mib unless set."
        ),
    ] = None,
    memory_mib: Memory = MEMORY_MIB,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Tokenise rows and pack them into bins, with labels on completions alone.

    A row has prompt and completion, or messages of which the last is trained on, or segments: a list of text and train.
    """
    from dalign.pipeline.pack_file import pack_file

    work = job("pack", source, out, memory_mib, force=force, as_json=json)
    counts, packed = pack_file(
        work, tokenizer, capacity=capacity, over_long=over_long, end=end, buffer_tokens=buffer_tokens
    )  # fmt: skip
    tell(work, counts, as_json=json, **packed)
