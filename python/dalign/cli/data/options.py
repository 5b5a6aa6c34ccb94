"""What several `dalign data` commands are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

Many = list[str] | None
Limit = int | None

In = Annotated[Path, Argument(metavar="IN", help="A .jsonl or .parquet file; it is only read.")]
Out = Annotated[
    Path,
    Argument(
        metavar="OUT", help="The kept rows; the dropped ones go beside it, to OUT's name.dropped."
    ),
]
TextField = Annotated[str, Option("--text-field", help="The field with the text.")]
ScoreField = Annotated[
    str | None,
    Option("--score-field", help="Keep the copy with the highest number here, not the first."),
]
Memory = Annotated[
    int, Option("--memory-mib", help="About how much memory batches and tables may take.")
]
Force = Annotated[bool, Option("--force", help="Overwrite OUT.")]
AsJson = Annotated[bool, Option("--json", help="Print the counts as JSON on stdout.")]
TokenizerPath = Annotated[
    Path | None,
    Option("--tokenizer", help="A tokenizer.json, or the checkpoint folder that has one."),
]
