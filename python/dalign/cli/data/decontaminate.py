"""`dalign data decontaminate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from dalign.cli.data.options import AsJson, Force, In, Many, Memory, Out


def decontaminate(
    source: In,
    out: Out,
    against: Annotated[
        list[Path], Option("--against", help="An evaluation file; may be given again.")
    ],
    text_field: Annotated[
        Many,
        Option("--text-field", help="A field to look at, prompt unless given; may be given again."),
    ] = None,
    eval_field: Annotated[
        str, Option("--eval-field", help="The field with the evaluation text.")
    ] = "prompt",
    ngram: Annotated[
        int, Option("--ngram", help="Words in a row that count as contamination.")
    ] = 13,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Drop rows that share words in a row with an evaluation set, each with the words and the evaluation row."""
    from dalign.cli.data.told import job, tell
    from dalign.overlap import decontaminate_file

    work = job("decontaminate", source, out, memory_mib, force=force, as_json=json)
    counts, rows = decontaminate_file(work, against, text_field or ["prompt"], eval_field, ngram)
    tell(work, counts, as_json=json, against=rows)
