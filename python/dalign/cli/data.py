"""`dalign data`: the core's filters over files that no run made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dalign.cli.data_options import (
    AsJson,
    Force,
    In,
    Memory,
    Out,
    ScoreField,
    TextField,
    TokenizerPath,
)
from dalign.cli.data_synth import synth

data = typer.Typer(
    name="data",
    help="Filter, deduplicate, decontaminate, balance and pack JSONL or Parquet files of any size; write new prompts.",
    epilog="Example: dalign data filter completions.jsonl kept.jsonl",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@data.command(
    name="filter",
    epilog="Example: dalign data filter completions.jsonl kept.jsonl --text-field completion --min-chars 200 --max-chars 6000",
)
def filter_(
    source: In,
    out: Out,
    text_field: TextField = "completion",
    open_tag: Annotated[str, typer.Option("--open-tag", help="Opens the reasoning.")] = "<think>",
    close_tag: Annotated[str, typer.Option("--close-tag", help="Closes it.")] = "</think>",
    no_tags: Annotated[
        bool, typer.Option("--no-tags", help="The whole text is the answer.")
    ] = False,
    prefilled: Annotated[
        bool, typer.Option("--prefilled", help="The opening tag stands in the prompt already.")
    ] = False,
    min_chars: Annotated[int, typer.Option("--min-chars", min=0)] = 0,
    max_chars: Annotated[int | None, typer.Option("--max-chars", min=0)] = None,
    tokenizer: TokenizerPath = None,
    min_tokens: Annotated[int, typer.Option("--min-tokens", min=0)] = 0,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=0)] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            "--spec", help="A policy folder: drop answers that recite it, eight words in a row."
        ),
    ] = None,
    max_answer_overlap: Annotated[
        float,
        typer.Option(
            "--max-answer-overlap",
            min=0,
            max=1,
            help="With --spec: the share of an answer that may.",
        ),
    ] = 0.0,
    quality: Annotated[
        bool,
        typer.Option(
            "--quality",
            help="Drop what repeats itself, breaks off, strays into another script or refers to a policy that is not there.",
        ),
    ] = False,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="MEASURE=LEAST:MOST",
            help="Such as answer_words=20:800 or answer_echo=:0.5; may be given again, and goes before --quality's.",
        ),
    ] = None,
    ngram: Annotated[
        int, typer.Option("--ngram", min=1, help="Words of a run that counts as repeated.")
    ] = 5,
    script: Annotated[
        list[str] | None,
        typer.Option(
            "--script", help="A script that is expected beside the prompt's, such as Latin."
        ),
    ] = None,
    phrase: Annotated[
        list[str] | None,
        typer.Option("--phrase", help="A further reference to what the reader cannot see."),
    ] = None,
    prompt_field: Annotated[
        str | None,
        typer.Option(
            "--prompt-field",
            help="The user's words: they may be repeated, name the script, and may speak of a policy.",
        ),
    ] = None,
    finish_field: Annotated[
        str | None,
        typer.Option(
            "--finish-field", help="How generation ended: length, the token limit, is truncated."
        ),
    ] = None,
    no_dedup: Annotated[
        bool, typer.Option("--no-dedup", help="Keep rows whose text stood in a kept row before.")
    ] = False,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Keep well-formed completions of the right length and quality, the first of equal ones."""
    from dalign.cli import data_filter, data_work
    from dalign.data.quality import Measuring
    from dalign.data.row_checks import Form

    tags = None if no_tags else (open_tag, close_tag)
    form = Form(text_field, tags, prefilled, min_chars, max_chars, finish_field)
    tokens = data_filter.Tokens(tokenizer, min_tokens, max_tokens)
    job = data_work.Job("filter", source, out, memory_mib, force, json)
    policy = data_filter.Policy(spec, max_answer_overlap, prompt_field)
    measuring = Measuring(ngram, tuple(script or ()), tuple(phrase or ()))
    limits = data_filter.Limits(quality, limit or (), measuring, prompt_field)
    data_filter.filter_rows(job, form, tokens, policy, limits, no_dedup=no_dedup)


@data.command(
    epilog="Example: dalign data dedup completions.jsonl kept.jsonl --text-field completion --score-field score",
)
def dedup(
    source: In,
    out: Out,
    text_field: TextField = "completion",
    near: Annotated[
        bool,
        typer.Option(
            "--near",
            help="Nearly the same counts too, by their sets of word n-grams; keeps 144 bytes a row.",
        ),
    ] = False,
    threshold: Annotated[
        float,
        typer.Option("--threshold", help="With --near: Jaccard similarity, above 0, up to 1."),
    ] = 0.7,
    ngram: Annotated[int, typer.Option("--ngram", min=1, help="With --near: words in a row.")] = 5,
    score_field: ScoreField = None,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Keep one of the rows whose texts are the same up to white space, or with --near nearly the same."""
    from dalign.cli import data_work
    from dalign.data.row_duplicates import Near

    job = data_work.Job("dedup", source, out, memory_mib, force, json)
    nearness = Near(threshold, ngram) if near else None
    data_work.dedup_rows(job, text_field, score_field, nearness)


@data.command(
    epilog="Example: dalign data decontaminate train.jsonl clean.jsonl --against suite.jsonl --against public.parquet --text-field prompt",
)
def decontaminate(
    source: In,
    out: Out,
    against: Annotated[
        list[Path], typer.Option("--against", help="An evaluation file; may be given again.")
    ],
    text_field: Annotated[
        list[str] | None,
        typer.Option(
            "--text-field", help="A field to look at, prompt unless given; may be given again."
        ),
    ] = None,
    eval_field: Annotated[
        str, typer.Option("--eval-field", help="The field with the evaluation text.")
    ] = "prompt",
    ngram: Annotated[
        int, typer.Option("--ngram", help="Words in a row that count as contamination.")
    ] = 13,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Drop rows that share words in a row with an evaluation set, each with the words and the evaluation row."""
    from dalign.cli import data_work

    job = data_work.Job("decontaminate", source, out, memory_mib, force, json)
    data_work.decontaminate_rows(job, against, text_field or ["prompt"], eval_field, ngram)


@data.command(
    epilog="Example: dalign data balance kept.jsonl balanced.jsonl --max 400 --seed 7",
)
def balance(
    source: In,
    out: Out,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", help="category, clause, or, unless given, both: clauses within categories."
        ),
    ] = None,
    category_field: Annotated[str, typer.Option("--category-field")] = "category",
    clause_field: Annotated[
        str, typer.Option("--clause-field", help="A text, a list of texts, or nothing.")
    ] = "clause",
    max_: Annotated[
        int | None,
        typer.Option("--max", min=0, help="Of each category; by clause: of each clause."),
    ] = None,
    min_: Annotated[
        int, typer.Option("--min", min=0, help="As --max; what has fewer is reported as short.")
    ] = 0,
    total: Annotated[
        int | None,
        typer.Option(
            "--total", min=0, help="In all, spread evenly; what is scarce gives all it has."
        ),
    ] = None,
    quota: Annotated[
        Path | None,
        typer.Option("--quota", help="A JSON file with total, and min, max and weight by name."),
    ] = None,
    rarest: Annotated[
        bool,
        typer.Option("--rarest", help="Count a row under its rarest clause so far, not its first."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Draw rows so that every category and clause has its share."""
    from dalign.cli import data_work

    job = data_work.Job("balance", source, out, memory_mib, force, json)
    fields = {"category": category_field, "clause": clause_field}
    data_work.balance_rows(
        job, by or list(fields), fields, (min_, max_, total, quota), rarest=rarest, seed=seed
    )


@data.command(
    epilog="Example: dalign data pack kept.jsonl bins.parquet --tokenizer models/base --capacity 4096 --over-long drop",
)
def pack(
    source: In,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .parquet file: one row a bin of tokens.")
    ],
    tokenizer: Annotated[
        Path,
        typer.Option(
            "--tokenizer",
            help="A tokenizer.json, or a checkpoint folder, whose chat template then renders messages.",
        ),
    ],
    capacity: Annotated[int, typer.Option("--capacity", min=1, help="Tokens that a bin holds.")],
    over_long: Annotated[
        str,
        typer.Option(
            "--over-long", help="Rows above the capacity: error, drop, or mask (cut, no loss)."
        ),
    ] = "error",
    end: Annotated[
        str, typer.Option("--end", help="Text after each completion, such as the end of turn.")
    ] = "",
    buffer_tokens: Annotated[
        int | None,
        typer.Option(
            "--buffer-tokens", min=1, help="Tokens packed at once; from --memory-mib unless set."
        ),
    ] = None,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Tokenise rows and pack them into bins, with labels on completions alone.

    A row has prompt and completion, or messages of which the last is trained on, or segments: a list of text and train.
    """
    from dalign.cli import data_pack, data_work

    job = data_work.Job("pack", source, out, memory_mib, force, json)
    data_pack.pack_rows(job, tokenizer, capacity, over_long, buffer_tokens, end)


data.command(
    epilog="Example: dalign data synth new.jsonl --config dalign.toml --missing runs/first --per-clause 12 --kind borderline --against suites/public.jsonl"
)(synth)
