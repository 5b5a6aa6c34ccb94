"""Prints the tokens of a packed row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from dalign.cli.terminal import tell, tell_json, tell_table
from dalign.errors import InputError
from dalign.models.checkpoint import own_tokenizer, texts_of
from dalign.pipeline.engines import Engines
from dalign.records.packed import PackedRow, packed_row
from dalign.records.record import open_record

# Characters of a training row's id that are shown, as in a journey.
_ID = 12


def show_tokens(name: str, run: Path, *, as_json: bool) -> None:
    """Prints a packed row's tokens, by its number or the id of a training row that it holds: each with its text, place and weight.

    Raises InputError where there is no such row, and where the model's tokenizer is not here.
    """
    record = open_record(run)
    packed = packed_row(record, name)
    model = record.config.model
    folder = Engines(record.config).checkpoint(model)
    texts = _texts(packed, folder, own_tokenizer(folder, model.trust_remote_code))
    tokens = packed.tokens.insert_column(2, texts)
    if as_json:
        tell_json({"packed_row": packed.number, "tokens": tokens.to_dicts()}, indent=1)
        return
    sequences, trained = tokens["sequence"].n_unique(), tokens["weight"].sum()
    tell(
        f"packed row {packed.number}: {tokens.height} tokens in {sequences} sequences, {trained} trained on"
    )
    heads, right = tokens.columns, {"index", "token", "sequence", "position", "weight"}
    # In quotes: white space counts.
    shown = [
        [str(i), str(token), json.dumps(text, ensure_ascii=False), str(sequence), row[:_ID], *map(str, rest)]
        for i, token, text, sequence, row, *rest in tokens.iter_rows()
    ]  # fmt: skip
    tell_table(heads, shown, right)


def _texts(packed: PackedRow, folder: Path, tokenizer: Any) -> pl.Series:
    """The text of each token; where it has a part of a character alone, that is U+FFFD."""
    ids = packed.tokens["token"]
    distinct = ids.unique().to_list()
    known, largest = len(tokenizer), max(distinct)
    if largest >= known:
        said = f"packed row {packed.number} has a token of the id {largest}, and the tokenizer has {known}: it is not the one that packed it; put that back"
        raise InputError.in_file(folder, said, kind="unfit_model", value=largest)
    texts = texts_of(tokenizer, [[token] for token in distinct], ids[-1])
    return ids.replace_strict(distinct, texts, return_dtype=pl.String).alias("text")
