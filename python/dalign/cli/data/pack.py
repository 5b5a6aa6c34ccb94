"""`dalign data pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dalign.cli.data.options import AsJson, Force, In, Memory


def pack(
    source: In,
    out: Annotated[Path, Argument(metavar="OUT", help="A .parquet file: one row a bin of tokens.")],
    tokenizer: Annotated[
        Path,
        Option(
            "--tokenizer",
            help="A tokenizer.json, or a checkpoint folder, whose chat template then renders messages.",
        ),
    ],
    capacity: Annotated[int, Option("--capacity", min=1, help="Tokens that a bin holds.")],
    over_long: Annotated[
        str,
        Option("--over-long", help="Rows above the capacity: error, drop, or mask (cut, no loss)."),
    ] = "error",
    end: Annotated[
        str, Option("--end", help="Text after each completion, such as the end of turn.")
    ] = "",
    buffer_tokens: Annotated[
        int | None,
        Option(
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
    from dalign.cli.data.told import job, tell
    from dalign.pipeline.file_pack import pack_rows

    work = job("pack", source, out, memory_mib, force=force, as_json=json)
    counts, held = pack_rows(work, tokenizer, capacity, over_long, buffer_tokens, end)
    tell(work, counts, as_json=json, **held)
