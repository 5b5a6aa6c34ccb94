"""`dalign data dedup`."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from dalign.cli.data.options import AsJson, Force, In, Memory, Out, ScoreField, TextField

IsNear = Annotated[
    bool,
    Option(
        "--near",
        help="Nearly the same counts too, by their sets of word n-grams; keeps 144 bytes a row.",
    ),
]
Threshold = Annotated[
    float | None,
    Option(
        "--threshold", help="With --near: Jaccard similarity, above 0, up to 1; 0.7 unless given."
    ),
]
Ngram = Annotated[
    int | None, Option("--ngram", min=1, help="With --near: words in a row; 5 unless given.")
]


def dedup(
    source: In,
    out: Out,
    text_field: TextField = "completion",
    near: IsNear = False,
    threshold: Threshold = None,
    ngram: Ngram = None,
    score_field: ScoreField = None,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Keep one of the rows whose texts are the same up to white space, or with --near nearly the same."""
    from dalign.cli.data.told import given, job, tell
    from dalign.duplicates import Near, dedup_file

    work = job("dedup", source, out, memory_mib, force=force, as_json=json)
    nearness = Near(**given(threshold=threshold, ngram=ngram)) if near else None
    counts = dedup_file(work, text_field, score_field, nearness)
    tell(work, counts, as_json=json)
